-- Answers to requests by URL that are kept: each has its contents under a name of its own. A cache: rows may go at any
-- time.
create table served(
    key text primary key,        -- SHA-256 of workspace, version of the Template, input and params
    blob_id text not null unique,
    size integer not null,
    record text not null,        -- JSON of the api room
    until_us integer not null
) without rowid;
