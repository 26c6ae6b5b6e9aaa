-- deliver: puts events of one partition into the inboxes of their recipients, numbers them there, and tells at
-- which gateways the recipients are.
-- KEYS  per user u: [3u-2] head, [3u-1] inbox, [3u] sessions
-- ARGV  [1] field of the partition's position ("p3")  [2] random text for new epochs  [3] newest events kept
--       [4] seconds until an idle inbox expires  [5] number of events n
--       then n times: log position, event bytes
--       then per user: number k of its events, and k indexes (1..n, ascending)
-- Returns {run, then per user: {epoch, last number, how many were added (always the last ones), 1 if the inbox was made
-- now, session values...}}
-- Positions up to the stored one are skipped, so a redo changes nothing whatever was trimmed or expired meanwhile.
-- Cost: O(users + deliveries * log(inbox)); about 3 us a delivery, one INFO a call.
local field, newEpoch, keep, ttl, n = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local now = run()
local result = { now }
local cursor = 6 + 2 * n
for u = 1, #KEYS / 3 do
  local head, inbox, sessions = KEYS[3 * u - 2], KEYS[3 * u - 1], KEYS[3 * u]
  local fields = redis.call('HMGET', head, 'run', 'epoch', 'seq', field)
  local epoch, seq, passed, isNew = fields[2], tonumber(fields[3]), tonumber(fields[4] or -1), 0
  if fields[1] ~= now then
    epoch, seq, isNew = openHead(head, inbox, now, newEpoch)
    passed = -1
  end
  local k = tonumber(ARGV[cursor])
  local add, added, position = { 'ZADD', inbox }, 0, passed
  for i = cursor + 1, cursor + k do
    local at = 4 + 2 * tonumber(ARGV[i])
    local p = tonumber(ARGV[at])
    if p > position then
      position = p
      added = added + 1
      seq = seq + 1
      add[#add + 1] = seq
      add[#add + 1] = ARGV[at + 1]
    end
  end
  cursor = cursor + k + 1
  if added > 0 then
    redis.call(unpack(add))
    redis.call('HSET', head, 'seq', seq, field, string.format('%.0f', position))
    if seq > keep then redis.call('ZREMRANGEBYSCORE', inbox, '-inf', seq - keep) end
    -- A device that connects refreshes it, too (session-open): a call per 64 events is enough.
    if seq == added or seq % 64 < added then redis.call('EXPIRE', inbox, ttl) end
  end
  local row = redis.call('HVALS', sessions)
  table.insert(row, 1, isNew)
  table.insert(row, 1, added)
  table.insert(row, 1, seq)
  table.insert(row, 1, epoch)
  result[#result + 1] = row
end
return result
