-- marks: moves the marks (read, delivered) of users in conversations forward.
-- KEYS  per item: marks of the conversation
-- ARGV  per item: userId, read seq (0: unchanged), delivered seq (0: unchanged)
-- Returns per item: read, delivered, 1 if read moved, 1 if delivered moved. Read implies delivered.
-- Cost: O(items).
local result = {}
for i = 1, #KEYS do
  local user, read, delivered = ARGV[3 * i - 2], tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local oldRead, oldDelivered = string.match(redis.call('HGET', KEYS[i], user) or '0 0', '^(%d+) (%d+)')
  oldRead, oldDelivered = tonumber(oldRead), tonumber(oldDelivered)
  local newRead = math.max(oldRead, read)
  local newDelivered = math.max(oldDelivered, delivered, newRead)
  if newRead > oldRead or newDelivered > oldDelivered then
    redis.call('HSET', KEYS[i], user, newRead .. ' ' .. newDelivered)
    redis.call('EXPIRE', KEYS[i], 2592000)
  end
  result[#result + 1] = newRead
  result[#result + 1] = newDelivered
  result[#result + 1] = newRead > oldRead and 1 or 0
  result[#result + 1] = newDelivered > oldDelivered and 1 or 0
end
return result
