-- Templates, workspaces; Auth Keys and credentials with what the API shows of them.
create table workspace(
    id text primary key not null,
    name text not null unique,
    created_us integer not null
) without rowid;

create table template(
    id text primary key not null,
    workspace text not null,
    name text not null,
    content text not null,   -- sealed: steps may hold secrets
    require_signature integer not null default 0,
    created_us integer not null,
    modified_us integer not null,
    last_used_us integer not null default 0
) without rowid;
create unique index template_name on template(workspace, name);

alter table auth_key rename to auth_key_1;
create table auth_key(
    id text primary key not null,
    key text not null unique,
    secret text not null,    -- sealed = 1: with the key file, else in clear until the next start
    sealed integer not null default 0,
    workspace text not null,
    scopes text not null,
    description text not null default '',
    require_signature integer not null default 0,
    created_us integer not null,
    modified_us integer not null
) without rowid;
create index auth_key_workspace on auth_key(workspace, created_us);
insert into auth_key(id, key, secret, workspace, scopes, created_us, modified_us)
    select id, key, secret, workspace, scopes, strftime('%s', 'now') * 1000000, strftime('%s', 'now') * 1000000
    from auth_key_1;
drop table auth_key_1;

alter table credential rename to credential_1;
create table credential(
    id text primary key not null,
    workspace text not null,
    name text not null,
    type text not null,
    sealed text not null,
    created_us integer not null,
    modified_us integer not null
) without rowid;
create unique index credential_name on credential(workspace, name);
insert into credential(id, workspace, name, type, sealed, created_us, modified_us)
    select lower(hex(randomblob(16))), workspace, name, type, sealed,
        strftime('%s', 'now') * 1000000, strftime('%s', 'now') * 1000000
    from credential_1;
drop table credential_1;

insert or ignore into workspace(id, name, created_us)
    select value, 'default', strftime('%s', 'now') * 1000000 from setting where name = 'workspace';
insert or ignore into workspace(id, name, created_us)
    select workspace, workspace, strftime('%s', 'now') * 1000000 from auth_key;
