-- An Assembly that a few events tell whole has no document (status is null): it is made of them, and of this, when
-- somebody asks. Its entry in the list has no item then, for the same reason.
alter table assembly add column made text;
