-- session-open: registers a device's connection and opens its inbox.
-- KEYS  [1] head  [2] inbox  [3] sessions  [4] cursors
-- ARGV  [1] deviceId  [2] value "node boot connection platform since"  [3] since, ms  [4] random text for a new epoch
--       [5] platform if only one device of it may stay, else ""  [6] seconds until an idle inbox expires
-- Returns {0} when a newer connection of the device is registered, else
--   {1, epoch, seq, first number held (seq + 1 when none), stored cursor or "", 1 if the inbox was made now, then pairs
--    deviceId, value of the entries that this one replaced}
-- Cost: O(devices of the user), one INFO.
local device, value, since = ARGV[1], ARGV[2], tonumber(ARGV[3])
local old = redis.call('HGET', KEYS[3], device)
if old and tonumber(string.match(old, '(%d+)$')) > since then return { 0 } end
local epoch, seq, isNew = openHead(KEYS[1], KEYS[2], run(), ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[6])
local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2] or seq + 1
local result = { 1, epoch, seq, tonumber(first), redis.call('HGET', KEYS[4], device) or '', isNew }
if old and old ~= value then
  result[#result + 1] = device
  result[#result + 1] = old
end
if ARGV[5] ~= '' then
  local entries = redis.call('HGETALL', KEYS[3])
  for i = 1, #entries, 2 do
    if entries[i] ~= device and string.match(entries[i + 1], '^%S+ %S+ %S+ (%S+)') == ARGV[5] then
      redis.call('HDEL', KEYS[3], entries[i])
      result[#result + 1] = entries[i]
      result[#result + 1] = entries[i + 1]
    end
  end
end
redis.call('HSET', KEYS[3], device, value)
return result
