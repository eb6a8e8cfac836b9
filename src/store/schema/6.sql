-- Keys that SSH hosts had when a workspace first talked to them. A row goes when somebody says so:
-- workcell ssh-key forget.
create table known_host(
    workspace text not null,
    host text not null,          -- lower case, without brackets
    port integer not null,
    key text not null,           -- "ssh-ed25519 AAAA..."
    seen_us integer not null,
    primary key(workspace, host, port)
) without rowid;
