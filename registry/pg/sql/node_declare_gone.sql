SELECT d.epoch, d.refused FROM troupe.node_declare_gone($1::bigint, $2::bigint) d
