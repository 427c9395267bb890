-- The roles of a PostgREST: one that logs in, one that an unsigned request is run as.
CREATE ROLE web_anon NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT web_anon TO authenticator;
