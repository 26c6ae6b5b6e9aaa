-- session-close: removes a device's entry if it still belongs to this connection.
-- KEYS  [1] sessions
-- ARGV  [1] deviceId  [2] "node boot connection "
-- Returns 1 when removed, else 0. Cost: O(1).
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if not entry or string.sub(entry, 1, #ARGV[2]) ~= ARGV[2] then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
