-- clear: removes the content of the messages of one conversation in an inbox; the messages keep their numbers, marked as cleared.
-- KEYS  [1] inbox
-- ARGV  [1] bytes of the conversation's events after their first byte, up to the key of seq
--       [2] number up to which the user has cleared the conversation
-- Returns the number of changed messages. Cost: O(inbox), about 0.1 ms for a full inbox; users clear rarely.
-- The content is the last field of a message, and no field before it can contain its key.
local prefix, upTo, changed = ARGV[1], tonumber(ARGV[2]), 0

-- Returns the unsigned MessagePack number at a position.
local function unsigned(bytes, at)
  local first = string.byte(bytes, at)
  if first < 128 then return first end
  local value = 0
  for i = 1, 2 ^ (first - 204) do value = value * 256 + string.byte(bytes, at + i) end
  return value
end

local entries = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #entries, 2 do
  local event = entries[i]
  local isOfIt = string.sub(event, 2, #prefix + 1) == prefix and unsigned(event, #prefix + 2) <= upTo
  local kind = isOfIt and string.find(event, '\164kind\167message', #prefix, true)
  if kind and string.sub(event, -9) ~= '\167cleared\195' then
    local content = string.find(event, '\167content', kind, true)
    local fields = string.byte(event, 1) + (content and 0 or 1)
    local cleared = string.char(fields) .. string.sub(event, 2, (content or 0) - 1) .. '\167cleared\195'
    redis.call('ZREM', KEYS[1], event)
    redis.call('ZADD', KEYS[1], entries[i + 1], cleared)
    changed = changed + 1
  end
end
return changed
