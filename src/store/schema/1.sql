-- Assemblies. A purged one keeps its row, empty, so that its id is never taken again.
create table assembly(
    id text primary key not null,
    workspace text not null,
    created_us integer not null,
    ended_us integer,    -- null: not over
    code text,
    expires_us integer,
    purged integer not null default 0,
    status text          -- the final document; last, because it may be megabytes
) without rowid;
create index assembly_open on assembly(created_us) where ended_us is null and purged = 0;
create index assembly_expiry on assembly(expires_us) where ended_us is not null and purged = 0;

create table event(
    assembly_id text not null,
    seq integer not null,
    at_us integer not null,
    body text not null,
    primary key(assembly_id, seq)
) without rowid;

create table file(
    blob_id text primary key not null,
    assembly_id text not null,
    name text,
    mime text,
    size integer not null
) without rowid;
create index file_assembly on file(assembly_id);

create table upload(
    id text primary key not null,
    assembly_id text,
    meta text not null
) without rowid;
create index upload_assembly on upload(assembly_id);

create table auth_key(
    id text primary key not null,
    key text not null unique,
    secret text not null,
    workspace text not null,
    scopes text not null
) without rowid;

create table credential(
    workspace text not null,
    name text not null,
    type text not null,
    sealed text not null,
    primary key(workspace, name)
) without rowid;
