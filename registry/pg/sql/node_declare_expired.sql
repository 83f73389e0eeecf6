SELECT d.epoch, d.refused FROM troupe.node_declare_expired($1::bigint, $2::bigint) d
