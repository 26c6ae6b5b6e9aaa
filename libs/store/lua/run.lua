-- Common part of all scripts that need it. run() returns the life of this Redis process. An inbox epoch belongs to one run:
-- a Redis that was wiped, restarted or failed over has another run, so no number is used twice under one epoch.
-- Cost: 2-3 us a call.
local function run()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end

-- Creates the head of an inbox if it is missing or belongs to another run: the inbox starts empty, and devices resync. `begun`
-- is the time of that, in seconds.
-- Returns epoch, seq, and 1 when the head was created now, else 0.
local function openHead(head, inbox, now, newEpoch)
  local fields = redis.call('HMGET', head, 'run', 'epoch', 'seq')
  if fields[1] == now then return fields[2], tonumber(fields[3]), 0 end
  redis.call('DEL', head, inbox)
  redis.call('HSET', head, 'run', now, 'epoch', newEpoch, 'seq', 0, 'begun', redis.call('TIME')[1])
  return newEpoch, 0, 1
end
