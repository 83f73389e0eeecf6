SELECT w.name FROM troupe.inbox_waiting_names($1::bigint, $2::int) w (name)
