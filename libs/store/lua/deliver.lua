-- deliver: puts events of one partition into the inboxes of their recipients, numbers them there, and returns the
-- gateways of the recipients.
-- KEYS  per user u: [3u-2] head, [3u-1] inbox, [3u] sessions
-- ARGV  [1] field of the position of partition and lane ("p3", "g3")  [2] random text for new epochs  [3] newest events kept
--       [4] seconds until an idle inbox expires
--       [5] the bytes of all events, one after the other
--       [6] MessagePack: log position and last byte in [5] of each event 1..n, ascending, one list for all
--       [7] MessagePack: per user number k of their events, then k indexes (1..n, ascending), one list for all
-- Returns {run, MessagePack: per user {epoch, last number, number of added events (always the last ones), 1 if the inbox was
-- created now, session values...}}
-- The script skips positions up to the stored one, so a redo changes nothing, whatever was trimmed or expired meanwhile.
-- It has one argument for all events and one answer for all users: separate arguments would cost more than the inboxes.
-- Cost: O(users + deliveries * log(inbox)); about 5 us a delivery, one INFO a call.
local field, newEpoch, keep, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local bytes, places, lists = ARGV[5], cmsgpack.unpack(ARGV[6]), cmsgpack.unpack(ARGV[7])
local events = {}
for i = 1, #places / 2 do
  events[i] = string.sub(bytes, i == 1 and 1 or places[2 * i - 2] + 1, places[2 * i])
end
local now = run()
local rows = {}
local cursor = 1
for u = 1, #KEYS / 3 do
  local head, inbox, sessions = KEYS[3 * u - 2], KEYS[3 * u - 1], KEYS[3 * u]
  local fields = redis.call('HMGET', head, 'run', 'epoch', 'seq', field)
  local epoch, seq, position, isNew = fields[2], tonumber(fields[3]), tonumber(fields[4] or -1), 0
  if fields[1] ~= now then
    epoch, seq, isNew = openHead(head, inbox, now, newEpoch)
    position = -1
  end
  local k = lists[cursor]
  local add, added = { 'ZADD', inbox }, 0
  for i = cursor + 1, cursor + k do
    local index = lists[i]
    if places[2 * index - 1] > position then
      position = places[2 * index - 1]
      added = added + 1
      seq = seq + 1
      add[2 * added + 1] = seq
      add[2 * added + 2] = events[index]
    end
  end
  cursor = cursor + k + 1
  if added > 0 then
    redis.call(unpack(add))
    redis.call('HSET', head, 'seq', seq, field, string.format('%.0f', position))
    if seq > keep then redis.call('ZREMRANGEBYSCORE', inbox, '-inf', seq - keep) end
    -- A device that connects refreshes the expiry, too (session-open), so one call per 64 events is enough.
    if seq == added or seq % 64 < added then redis.call('EXPIRE', inbox, ttl) end
  end
  -- Value by value, because unpack() fails above some thousand values, and all deliveries would fail with it.
  local row = { epoch, seq, added, isNew }
  for i, session in ipairs(redis.call('HVALS', sessions)) do row[4 + i] = session end
  rows[u] = row
end
return { now, cmsgpack.pack(rows) }
