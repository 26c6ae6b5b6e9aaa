/**
 * One of the two processes of the socket.io peer. It emits an event "message" into the room of the receiver, and then calls
 * the acknowledgement of the sender. Each option that is no default names the page that advises it.
 */
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

const { PORT, REDIS_URL, SECRET } = process.env;

// https://socket.io/docs/v4/redis-streams-adapter/#with-the-ioredis-package. Of redis 6.3.1, ioredis and ioredis with what
// its page calls autopipelining (https://redis.github.io/ioredis/, commands of one turn in one write), this took the least CPU.
const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });
redis.on("error", (error) => console.error(error.message));

const http = createServer();
const io = new Server(http, {
  // https://socket.io/docs/v4/redis-streams-adapter/
  adapter: createAdapter(redis, {
    // "The maximum size of the stream", 10,000 by default, and "the number of elements to fetch per XREAD call", 100 by
    // default. A process that is behind by more than the stream holds has lost messages. With the defaults this happens on
    // a full server, since it reads once per turn of its event loop: so it reads all that has come.
    maxLen: 100_000,
    readCount: 10_000,
    // "binary data checks are skipped for better performance": the messages are texts.
    onlyPlaintext: true,
  }),
  // https://socket.io/docs/v4/using-multiple-nodes/: without long polling no sticky sessions are needed.
  transports: ["websocket"],
  // https://socket.io/docs/v4/connection-state-recovery/, with the values of its example.
  connectionStateRecovery: { maxDisconnectionDuration: 2 * 60 * 1000, skipMiddlewares: true },
  // https://socket.io/docs/v4/server-options/: no file of the client is asked for.
  serveClient: false,
});
// https://socket.io/docs/v4/memory-usage/: the first request of each connection need not be kept.
io.engine.on("connection", (connection) => {
  connection.request = null;
});

// https://socket.io/docs/v4/middlewares/: credentials are checked once per connection.
io.use((socket, next) => {
  const { userId, secret } = socket.handshake.auth;
  if (secret !== SECRET || typeof userId !== "string") return next(new Error("unauthorized"));
  socket.data.userId = userId;
  next();
});

io.on("connection", (socket) => {
  // https://socket.io/docs/v4/rooms/: all devices of a user are in the user's room.
  socket.join(socket.data.userId);
  socket.on("message", (to, content, acknowledge) => {
    io.to(to).emit("message", content);
    acknowledge();
  });
});

http.listen(Number(PORT), "127.0.0.1");
