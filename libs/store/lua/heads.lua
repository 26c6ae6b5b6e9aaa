-- heads: reads the heads of inboxes.
-- KEYS  per user: [2u-1] head  [2u] inbox
-- ARGV  [1] random text for new epochs
-- Returns {run, then per user: epoch, seq}. Cost: O(users), one INFO.
local now = run()
local result = { now }
for u = 1, #KEYS / 2 do
  local epoch, seq = openHead(KEYS[2 * u - 1], KEYS[2 * u], now, ARGV[1])
  result[#result + 1] = epoch
  result[#result + 1] = seq
end
return result
