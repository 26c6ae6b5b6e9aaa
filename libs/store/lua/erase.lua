-- erase: removes the content of an event in the inboxes of users; the event keeps its number there.
-- KEYS  inboxes
-- ARGV  [1] bytes of the event after its first byte: conversationId and seq (eventPrefix of libs/protocol)
-- Returns the number of inboxes that had the event. Cost: O(inbox) for each key, about 0.1 ms for a full inbox; recalls are rare.
-- The content of a message is the last field of the map, and no field before it can contain its key.
local prefix, found = ARGV[1], 0
for _, inbox in ipairs(KEYS) do
  local entries = redis.call('ZRANGE', inbox, 0, -1, 'WITHSCORES')
  for i = #entries - 1, 1, -2 do
    local event = entries[i]
    if string.sub(event, 2, #prefix + 1) == prefix then
      local content = string.find(event, '\167content', #prefix, true)
      if content then
        redis.call('ZREM', inbox, event)
        redis.call('ZADD', inbox, entries[i + 1],
          string.char(string.byte(event, 1) - 1) .. string.sub(event, 2, content - 1))
        found = found + 1
      end
      break
    end
  end
end
return found
