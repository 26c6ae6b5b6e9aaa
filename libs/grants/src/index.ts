export { mysqlGrants, mysqlUsers, natsUsers, type Passwords, redisUsers } from "./render";
