-- What lists show. seq and created_us both grow from row to row, so a date is a place in the order.
create table listed(
    seq integer primary key,
    assembly_id text not null unique,
    workspace text not null,
    type integer not null,       -- enum listing_type, never 0
    created_us integer not null,
    item text not null,          -- JSON
    search text not null         -- what keywords are looked for in, lower case
);
create index listed_all on listed(workspace);        -- both end in seq
create index listed_type on listed(workspace, type);
create index listed_created on listed(created_us);

-- How many there are of each 2048 seqs: finds a page and the total without walking over the rows. type 0: all.
create table listed_count(
    workspace text not null,
    type integer not null,
    bucket integer not null,     -- seq / 2048
    n integer not null,
    primary key(workspace, type, bucket)
) without rowid;

-- What each job was billed for, once; and the sums of each month, which the same transaction keeps.
create table ledger(
    assembly_id text not null,
    job integer not null,
    workspace text not null,
    month text not null,         -- "2031-05", UTC
    robot text not null,
    raw_bytes integer not null,  -- in and out
    bytes integer not null,      -- billed
    primary key(assembly_id, job)
) without rowid;

create table bill(
    workspace text not null,
    month text not null,
    robot text not null,
    jobs integer not null,
    raw_bytes integer not null,
    bytes integer not null,
    primary key(workspace, month, robot)
) without rowid;
