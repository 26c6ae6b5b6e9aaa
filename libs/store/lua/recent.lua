-- recent: keeps the newest events of a large group, for members who fetch them.
-- KEYS  sorted set of the group: score seq, member event
-- ARGV  [1] newest events kept  [2] seconds until they expire without a new event  then per event: seq, event bytes
-- The script skips an event at or below the highest stored number, so that erased content stays erased after a redo.
-- Returns the number of added events. Cost: O(events * log(kept)).
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local highest, added = tonumber(last[2] or 0), 0
for i = 3, #ARGV, 2 do
  local seq = tonumber(ARGV[i])
  if seq > highest then
    redis.call('ZADD', KEYS[1], seq, ARGV[i + 1])
    highest, added = seq, added + 1
  end
end
if added > 0 then
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[1]))
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return added
