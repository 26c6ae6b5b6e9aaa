-- session-open: registers a device's connection and opens its inbox.
-- KEYS  [1] head  [2] inbox  [3] sessions  [4] cursors
-- ARGV  [1] deviceId  [2] value "node boot connection platform since"  [3] since, ms  [4] random text for a new epoch
--       [5] platform of which only one device may stay, else ""  [6] seconds until an idle inbox expires
--       [7] maximum number of devices of a user  [8] gateways in view, one line "node boot" each; "": unknown
--       [9] age, ms, above which entries of gateways that are not in view are dropped
-- Returns {0} when a newer connection of the device is registered, else
--   {1, epoch, seq, first number held (seq + 1 when none), stored cursor or "", 1 if the inbox was created now, then pairs
--    deviceId, value of the entries that this entry replaced}
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
local living = {}
for place in string.gmatch(ARGV[8], '[^\n]+') do living[place] = true end
local others = {}
local entries = redis.call('HGETALL', KEYS[3])
for i = 1, #entries, 2 do
  local other, entry = entries[i], entries[i + 1]
  local place, platform, at = string.match(entry, '^(%S+ %S+) %S+ (%S+) (%d+)$')
  if other ~= device then
    if ARGV[8] ~= '' and not living[place] and tonumber(at) < tonumber(ARGV[9]) then
      redis.call('HDEL', KEYS[3], other)
    elseif platform == ARGV[5] then
      redis.call('HDEL', KEYS[3], other)
      result[#result + 1] = other
      result[#result + 1] = entry
    else
      others[#others + 1] = { other, entry, tonumber(at) }
    end
  end
end
-- When there are too many devices, those that have been connected for longest are removed.
table.sort(others, function(a, b) return a[3] < b[3] end)
for i = 1, #others - tonumber(ARGV[7]) + 1 do
  redis.call('HDEL', KEYS[3], others[i][1])
  result[#result + 1] = others[i][1]
  result[#result + 1] = others[i][2]
end
redis.call('HSET', KEYS[3], device, value)
return result
