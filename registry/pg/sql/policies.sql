SELECT p.role, p.may_spawn, p.may_exit, p.may_register FROM troupe.policies p
