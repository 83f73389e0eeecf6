"""Networks that are cut, wholly or one way, for long or for moments."""
import itertools
import time

from harness.report import case
from harness.wait import holds, same, until
from world import HEAL_SECONDS, NAMES, QUICK, resumes

# The ten pairs of five nodes as two rings: each is cut while the other holds.
RINGS = [[("n1", "n2"), ("n2", "n3"), ("n3", "n4"), ("n4", "n5"), ("n1", "n5")],
         [("n1", "n3"), ("n3", "n5"), ("n2", "n5"), ("n2", "n4"), ("n1", "n4")]]


def part(world, cuts, parted):
    """Makes the cuts, a function, after which those pairs, and no others, are parted; then heals."""
    world.up()
    ids = world.ids()
    pairs = [pair.talk() for pair in world.all_pairs()]
    for pair in pairs:
        pair.talking()
    cuts()
    apart = [pair for pair in pairs if pair.names() in parted]
    same("pairs that are cut", len(apart), len(parted))
    for pair in apart:
        pair.parted()
    world.all_are_members(ids)
    world.healed()
    for pair in pairs:
        if pair in apart:
            pair.parted_once()
        else:
            pair.nothing_lost()
    world.all_are_members(ids)


@case("F1 F3 F6 every pair of five nodes, cut for long: noconnection once, both stay members, healed it works")
def every_pair_is_cut_for_long(world):
    for pairs in ([[pair] for pair in itertools.combinations(NAMES, 2)] if world.long else RINGS):
        part(world, lambda pairs=pairs: [world.network.cut(*pair) for pair in pairs], pairs)


@case("F6 two nodes cut from the other three: sessions across are lost once, those inside go on")
def two_are_cut_from_three(world):
    halves = list(itertools.combinations(NAMES, 2))
    for two in halves if world.long else [world.random.choice(halves)]:
        three = [name for name in NAMES if name not in two]
        across = [tuple(sorted(pair)) for pair in itertools.product(two, three)]
        part(world, lambda two=two, three=three: [world.network.cut_from(name, three) for name in two], across)


@case("F4 a cut one way, for long: both sides see the same")
def a_cut_one_way(world):
    ways = list(itertools.permutations(NAMES, 2))
    for index in range(0, len(ways) if world.long else 1):
        sender, receiver = ways[index] if world.long else world.random.choice(ways)
        part(world, lambda sender=sender, receiver=receiver: world.network.cut_way(sender, receiver),
             [tuple(sorted((sender, receiver)))])


@case("F2 a cut that is shorter than the resume window: actors see nothing, nothing is lost or doubled")
def a_short_cut_is_nothing(world):
    window = dict(QUICK, silence="1s", resume_window="20s")
    for _ in range(10 if world.long else 1):
        world.up(window)
        one, other = sorted(world.random.sample(NAMES, 2))
        pair = world.pair_of(one, other).talk()
        pair.talking()
        before = resumes(pair)
        silent = pair.left.node.logged("is silent")
        world.network.cut(one, other)
        until("its connection is given up", lambda: pair.left.node.logged("is silent") > silent, 30)
        world.network.heal_bitten()
        pair.talking()
        pair.nothing_lost()
        pair.has_resumed(before)


@case("connections broken again and again under load: nothing lost, nothing doubled, order kept")
def sessions_are_broken_again_and_again(world):
    world.up(dict(QUICK, resume_window="20s"))
    ids = world.ids()
    cuts, wanted = 0, 500 if world.long else 60
    pairs = [pair.talk(each=5) for pair in world.all_pairs()]
    for pair in pairs:
        pair.talking()
    before = sum(resumes(pair) for pair in pairs)
    deadline = time.monotonic() + 60 + wanted
    while cuts < wanted:
        holds(f"{wanted} connections are broken in time, not only {cuts}", time.monotonic() < deadline)
        pair = world.random.choice(pairs)
        cuts += world.network.break_sessions(*pair.names())
    sent = sum(pair.nothing_lost(seconds=60) for pair in pairs)
    resumed = sum(resumes(pair) for pair in pairs) - before
    holds(f"{resumed} sessions were resumed after {cuts} cuts", resumed >= cuts / 2)
    world.all_are_members(ids)
    print(f"# {cuts} connections broken, {resumed} resumed, {sent} messages", flush=True)


@case("F6 swizzle: links cut one by one and healed in another order: parted pairs hear it once, at the end all is well")
def swizzle(world):
    for _ in range(20 if world.long else 1):
        world.up()
        ids = world.ids()
        pairs = world.all_pairs()
        cut = world.random.sample([pair.names() for pair in pairs], 6)
        for names in cut:
            world.network.cut(*names)
            time.sleep(world.random.uniform(0, 0.3))  # so that windows end in between
        for pair in pairs:
            if pair.names() in cut:
                pair.parted()
        dropped = world.network.dropped()
        same("cuts that have dropped something", len([pair for pair in dropped if dropped[pair] > 0]), len(cut))
        for names in world.random.sample(cut, len(cut)):
            world.network.heal_pair(*names)
            time.sleep(world.random.uniform(0, 0.3))
        world.meshed(*world.nodes.values(), seconds=HEAL_SECONDS)
        for pair in pairs:
            if pair.names() in cut:
                pair.parted_once()
            else:
                pair.nothing_lost()
        world.all_are_members(ids)
