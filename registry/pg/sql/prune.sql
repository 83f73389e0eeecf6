SELECT troupe.prune($1::int)
