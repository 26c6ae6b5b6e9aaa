-- read-inbox: reads events of an inbox above a number.
-- KEYS  [1] head  [2] inbox
-- ARGV  [1] number after which to begin  [2] maximum number of events  [3] random text for a new epoch
-- Returns {epoch, seq, then pairs event, number}. Cost: O(log(inbox) + events), one INFO.
local epoch, seq = openHead(KEYS[1], KEYS[2], run(), ARGV[3])
local result = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
table.insert(result, 1, seq)
table.insert(result, 1, epoch)
return result
