-- Notifications that must be delivered. A replay is a row of its own.
create table notification(
    id text primary key not null,      -- stable: receivers may see one twice
    assembly_id text not null,
    workspace text not null,
    key_id text not null,              -- whose secret signs it
    url text not null,
    replay integer not null default 0, -- one attempt, and notify_* of the Assembly stay as they are
    state text not null default 'pending', -- pending, successful, failed
    attempts integer not null default 0,
    next_us integer not null,
    created_us integer not null
) without rowid;
create index notification_open on notification(next_us) where state = 'pending';
create index notification_assembly on notification(assembly_id);

-- Every attempt, for people to read.
create table notification_attempt(
    id integer primary key,
    notification_id text not null,
    assembly_id text not null,
    workspace text not null,
    url text not null,
    at_us integer not null,
    response_code integer,             -- null: no answer
    response_data text,
    error text,
    duration_us integer not null
);
create unique index attempt_once on notification_attempt(notification_id, at_us);
create index attempt_workspace on notification_attempt(workspace, at_us);
create index attempt_assembly on notification_attempt(assembly_id, at_us);
