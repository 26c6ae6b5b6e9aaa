-- Put before every script that needs it. run(): the life of this Redis process. An inbox epoch belongs to one run:
-- a Redis that was wiped, restarted or failed over has another, so no number is used twice under one epoch.
-- Cost: 2-3 us a call.
local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- Makes the head of an inbox if it is missing or of another run: the inbox starts empty, devices resync. `begun` is when,
-- in seconds.
-- Returns epoch, seq, and 1 when it was made now, else 0.
local function openHead(head, inbox, now, newEpoch)
  local fields = redis.call('HMGET', head, 'run', 'epoch', 'seq')
  if fields[1] == now then return fields[2], tonumber(fields[3]), 0 end
  redis.call('DEL', head, inbox)
  redis.call('HSET', head, 'run', now, 'epoch', newEpoch, 'seq', 0, 'begun', redis.call('TIME')[1])
  return newEpoch, 0, 1
end
