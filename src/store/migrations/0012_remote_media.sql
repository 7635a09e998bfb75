-- Files of other servers in the order in which they go: last_access is kept of these only.
CREATE INDEX media_kept ON media (last_access, size) WHERE last_access IS NOT NULL;
