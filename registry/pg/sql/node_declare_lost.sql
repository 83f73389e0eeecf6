SELECT d.epoch, d.refused FROM troupe.node_declare_lost($1::bigint, $2::bigint, $3::int) d
