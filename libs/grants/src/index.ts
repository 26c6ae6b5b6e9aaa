export { completed, mysqlGrants, mysqlUsers, natsUsers, type Passwords, redisUsers } from "./render";
