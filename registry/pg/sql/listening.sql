SELECT pg_catalog.pg_backend_pid(),
       (SELECT count(*) FROM pg_catalog.pg_listening_channels() c (name) WHERE c.name IN ('troupe_event', 'troupe_inbox'))
