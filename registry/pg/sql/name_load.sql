SELECT l.name, l.epoch, l.behavior, l.behavior_version, l.checkpoint, l.strict, l.seq, l.state, l.options
  FROM troupe.name_load($1::bigint, $2::text[]) l
