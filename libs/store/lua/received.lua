-- received: moves the cursors of devices forward.
-- KEYS  per device: its user's cursors
-- ARGV  per device: deviceId, epoch, inboxSeq, seen at (ms)
-- Returns the number of moved cursors. A cursor of another epoch is replaced; a cursor of the same epoch never goes back.
-- Cost: O(devices).
local moved = 0
for i = 1, #KEYS do
  local device, epoch, seq, seen = ARGV[4 * i - 3], ARGV[4 * i - 2], tonumber(ARGV[4 * i - 1]), ARGV[4 * i]
  local old = redis.call('HGET', KEYS[i], device)
  local oldEpoch, oldSeq = string.match(old or '', '^(%S+) (%d+)')
  if oldEpoch ~= epoch or tonumber(oldSeq) < seq then
    redis.call('HSET', KEYS[i], device, epoch .. ' ' .. seq .. ' ' .. seen)
    moved = moved + 1
  end
end
return moved
