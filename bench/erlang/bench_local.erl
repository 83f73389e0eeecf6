%% The benchmarks of one node. erl ... -s bench_local main -extra NAME COUNT
%%
%% Each does the same work as its namesake in bench/troupe: the same messages, the same counts, a warm-up of a tenth
%% of the size in the same process, and a check that nothing is missing. Helpers are linked to the main process, so that a
%% wrong count in one of them ends the program.
-module(bench_local).
-export([main/0]).
-import(bench_support, [timed/1, rate/4, per_item/3, figure/3, cpu/0, usage/1, expect/3, rss/0, wait_all/1]).

%% The server of call/1.
-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2]).

main() -> bench_support:run(fun() ->
    [Name, Text] = init:get_plain_arguments(),
    Count = list_to_integer(Text),
    Warm = max(1, Count div 10),
    Bench = bench(Name),
    case Name of
        "idle-memory" -> ok; % What it measures is the first touch of the memory.
        _ -> Bench(Warm)
    end,
    Cpu = cpu(),
    Report = Bench(Count),
    Report(),
    usage(Cpu)
end).

bench("ping-pong") -> fun pingpong/1;
bench("counting") -> fun counting/1;
bench("many-to-one") -> fun many_to_one/1;
bench("create") -> fun create/1;
bench("idle-memory") -> fun idle/1;
bench("tree") -> fun tree/1;
bench("ring-503") -> fun(Count) -> ring("ring-503", 503, Count) end;
bench("ring-10000") -> fun(Count) -> ring("ring-10000", 10000, Count) end;
bench("big") -> fun big/1;
bench("links") -> fun(Count) -> fan("links", fun(Hub) -> link(Hub) end, Count) end;
bench("monitors") -> fun(Count) -> fan("monitors", fun(Hub) -> monitor(process, Hub) end, Count) end;
bench("timers") -> fun timers/1;
bench("call") -> fun call/1;
bench("call-bare") -> fun call_bare/1.

%% Two processes; one hop is one message. Count is the number of round trips.
pingpong(Count) ->
    Main = self(),
    Pong = spawn_link(fun() -> pong(0) end),
    Ns = timed(fun() ->
        spawn_link(fun() -> ping(Pong, Count), Main ! pings_done end),
        receive pings_done -> ok end
    end),
    Pong ! {stop, self()},
    receive {pongs, Pongs} -> expect(pongs, Count, Pongs) end,
    fun() -> per_item("ping-pong", 2 * Count, Ns) end.

ping(_Pong, 0) -> ok;
ping(Pong, N) ->
    Pong ! {ping, self(), N},
    receive {pong, N} -> ping(Pong, N - 1) end.

pong(Seen) ->
    receive
        {ping, From, N} -> From ! {pong, N}, pong(Seen + 1);
        {stop, From} -> From ! {pongs, Seen}
    end.

%% One process sends Count numbered messages to another, which checks the numbers.
counting(Count) ->
    Main = self(),
    Counter = spawn_link(fun() -> count_in_order(1, Count, Main) end),
    Ns = timed(fun() ->
        spawn_link(fun() -> send_numbers(Counter, 1, Count) end),
        receive {counted, Seen} -> expect(counted, Count, Seen) end
    end),
    fun() -> rate("counting", Count, Ns, "msgs/s") end.

send_numbers(_To, N, Last) when N > Last -> ok;
send_numbers(To, N, Last) -> To ! {number, N}, send_numbers(To, N + 1, Last).

count_in_order(N, Last, Main) when N > Last -> Main ! {counted, Last};
count_in_order(N, Last, Main) ->
    receive {number, Got} -> expect(order, N, Got), count_in_order(N + 1, Last, Main) end.

%% 20 processes send to one. off_heap is the setting with which Erlang does best here.
-define(SENDERS, 20).
many_to_one(Total) ->
    Main = self(),
    Each = max(1, Total div ?SENDERS),
    Count = Each * ?SENDERS,
    Sink = spawn_opt(fun() -> Main ! {sum, sum(Count, 0)} end, [link, {message_queue_data, off_heap}]),
    Ns = timed(fun() ->
        [spawn_link(fun() -> send_numbers(Sink, 1, Each) end) || _ <- lists:seq(1, ?SENDERS)],
        receive {sum, Sum} -> expect(sum, ?SENDERS * Each * (Each + 1) div 2, Sum) end
    end),
    fun() -> rate("many-to-one", Count, Ns, "msgs/s") end.

sum(0, Sum) -> Sum;
sum(Left, Sum) -> receive {number, N} -> sum(Left - 1, Sum + N) end.

%% Start a process, send it one message, let it end; Count times.
create(Count) ->
    Main = self(),
    Done = atomics:new(1, []),
    Ns = timed(fun() ->
        spawn_link(fun() -> create_loop(Count, Count, Done, Main) end),
        receive all_done -> ok end
    end),
    expect(ended, Count, atomics:get(Done, 1)),
    fun() -> rate("create", Count, Ns, "actors/s") end.

create_loop(0, _Count, _Done, _Main) -> ok;
create_loop(Left, Count, Done, Main) ->
    Child = spawn(fun() -> receive {go, N} -> one_done(Done, Count, N, Main) end end),
    Child ! {go, 1},
    create_loop(Left - 1, Count, Done, Main).

one_done(Done, Count, N, Main) ->
    case atomics:add_get(Done, 1, N) of
        Count -> Main ! all_done;
        _ -> ok
    end.

%% Resident memory of Count processes that have handled one message and wait for the next.
idle(Count) ->
    Main = self(),
    Before = rss(),
    Processes = erlang:system_info(process_count),
    Done = atomics:new(1, []),
    Ns = timed(fun() ->
        spawn_link(fun() -> idle_loop(Count, Count, Done, Main) end),
        receive all_done -> ok end
    end),
    wait_until(fun() -> erlang:system_info(process_count) =:= Processes + Count end, 10000),
    Bytes = (rss() - Before) / Count,
    fun() ->
        figure("idle-memory", Bytes, "B"),
        rate("idle-spawn", Count, Ns, "actors/s")
    end.

idle_loop(0, _Count, _Done, _Main) -> ok;
idle_loop(Left, Count, Done, Main) ->
    Child = spawn(fun() -> idle_process(Done, Count, Main) end),
    Child ! {go, 1},
    idle_loop(Left - 1, Count, Done, Main).

idle_process(Done, Count, Main) ->
    receive {go, N} -> one_done(Done, Count, N, Main), idle_process(Done, Count, Main) end.

wait_until(Condition, Left) ->
    case Condition() of
        true -> ok;
        false when Left > 0 -> receive after 1 -> wait_until(Condition, Left - 1) end;
        false -> error(condition_never_held)
    end.

%% A process starts two others, which start two each, until there were Count (rounded down to a full tree); each answers
%% when its own two have answered, and ends.
tree(Count) ->
    Levels = levels(0, Count),
    Actors = (2 bsl Levels) - 1,
    Main = self(),
    Ns = timed(fun() ->
        spawn_link(fun() -> branch(Main, Levels) end),
        receive {grown, Grown} -> expect(actors, Actors, Grown) end
    end),
    fun() -> rate("tree", Actors, Ns, "actors/s") end.

levels(Levels, Count) when (4 bsl Levels) - 1 =< Count -> levels(Levels + 1, Count);
levels(Levels, _Count) -> Levels.

branch(Parent, 0) -> Parent ! {grown, 1};
branch(Parent, Levels) ->
    Self = self(),
    spawn(fun() -> branch(Self, Levels - 1) end),
    spawn(fun() -> branch(Self, Levels - 1) end),
    First = receive {grown, A} -> A end,
    Second = receive {grown, B} -> B end,
    Parent ! {grown, First + Second + 1}.

%% A token goes round a ring; a hop is one message.
ring(Name, Members, Count) ->
    Rounds = max(1, Count div Members),
    Main = self(),
    First = spawn_link(fun() ->
        Me = self(),
        Next = lists:foldl(fun(_, To) -> spawn_link(fun() -> pass_on(To) end) end, Me, lists:seq(2, Members)),
        Main ! ready,
        receive go -> Next ! {token, Rounds * Members - 1} end,
        first_in_ring(Next, Main, 0)
    end),
    receive ready -> ok end,
    Ns = timed(fun() ->
        First ! go,
        receive {rounds, Done} -> expect(rounds, Rounds, Done) end
    end),
    fun() -> rate(Name, Rounds * Members, Ns, "hops/s") end.

pass_on(To) ->
    receive
        {token, Left} -> To ! {token, Left - 1}, pass_on(To);
        stop -> To ! stop
    end.

first_in_ring(Next, Main, Rounds) ->
    receive
        {token, 0} -> Next ! stop, receive stop -> ok end, Main ! {rounds, Rounds + 1};
        {token, Left} -> Next ! {token, Left - 1}, first_in_ring(Next, Main, Rounds + 1)
    end.

%% 200 processes, each of which sends to one of them chosen by chance, waits for the answer, and does so again; it answers
%% the others meanwhile. Count is the number of messages in all.
-define(PLAYERS, 200).
big(Count) ->
    Each = max(1, Count div ?PLAYERS div 2),
    Main = self(),
    Players = list_to_tuple([spawn_link(fun() -> player_start(Main) end) || _ <- lists:seq(1, ?PLAYERS)]),
    Ns = timed(fun() ->
        [Pid ! {start, Players, Each} || Pid <- tuple_to_list(Players)],
        [receive {done, Pid} -> ok end || Pid <- tuple_to_list(Players)]
    end),
    Answered = lists:sum([begin Pid ! stop, receive {answered, Pid, N} -> N end end || Pid <- tuple_to_list(Players)]),
    expect(answers, Each * ?PLAYERS, Answered),
    fun() -> rate("big", Each * ?PLAYERS * 2, Ns, "msgs/s") end.

player_start(Main) ->
    receive {start, Players, Each} ->
        Random = random(erlang:phash2(self(), 1 bsl 32) + 1),
        ask_somebody(Players, Random, Each),
        player(Players, Random, Each, 0, Main)
    end.

%% Numbers by chance in 27 bits times 31, which are no big ones.
random(R) -> (R * 1103515245 + 12345) band 16#7ffffff.

ask_somebody(Players, Random, Left) -> element((Random bsr 8) rem ?PLAYERS + 1, Players) ! {ping, self(), Left}.

player(Players, Random, Left, Answered, Main) ->
    receive
        {ping, From, N} ->
            From ! {pong, N},
            player(Players, Random, Left, Answered + 1, Main);
        {pong, Left} when Left > 1 ->
            Next = random(Random),
            ask_somebody(Players, Next, Left - 1),
            player(Players, Next, Left - 1, Answered, Main);
        {pong, 1} ->
            Main ! {done, self()},
            player(Players, Random, 0, Answered, Main);
        stop ->
            Main ! {answered, self(), Answered}
    end.

%% Count processes are tied to one, by links or monitors; that one ends. Milliseconds until all have ended.
fan(Name, Tie, Count) ->
    Main = self(),
    Hub = spawn(fun() -> receive die -> exit(shutdown) end end),
    Before = erlang:system_info(process_count),
    Done = atomics:new(1, []),
    Setup = timed(fun() ->
        spawn_link(fun() -> fan_loop(Count, Count, Hub, Tie, Done, Main) end),
        receive all_done -> ok end
    end),
    wait_until(fun() -> erlang:system_info(process_count) =:= Before + Count end, 10000),
    Ns = timed(fun() ->
        Hub ! die,
        wait_until(fun() -> erlang:system_info(process_count) =:= Before - 1 end, 60000)
    end),
    fun() ->
        figure(Name, Ns / 1.0e6, "ms"),
        figure(Name ++ "-setup", Setup / 1.0e6, "ms")
    end.

fan_loop(0, _Count, _Hub, _Tie, _Done, _Main) -> ok;
fan_loop(Left, Count, Hub, Tie, Done, Main) ->
    spawn(fun() ->
        Tie(Hub),
        one_done(Done, Count, 1, Main),
        receive {'DOWN', _, process, Hub, shutdown} -> ok end
    end),
    fan_loop(Left - 1, Count, Hub, Tie, Done, Main).

%% One process starts Count timers and cancels them; then it starts a fifth of them again, all for one moment.
timers(Count) ->
    Fifth = max(1, Count div 5),
    Main = self(),
    spawn_link(fun() -> Main ! {timers, keep_timers(Count, Fifth)} end),
    {StartNs, CancelNs, FireNs} = receive {timers, Result} -> Result end,
    fun() ->
        rate("timers-start", Count, StartNs, "timers/s"),
        rate("timers-cancel", Count, CancelNs, "timers/s"),
        rate("timers-fire", Fifth, FireNs, "timers/s")
    end.

-define(FAR_MS, 600000).
keep_timers(Count, Fifth) ->
    Began = erlang:monotonic_time(nanosecond),
    Timers = start_far(Count, 12345, []),
    Started = erlang:monotonic_time(nanosecond),
    expect(in_time, Count, cancel_all(Timers, 0)),
    Cancelled = erlang:monotonic_time(nanosecond),
    Delay = (Started - Began) div 5 * 3 div 1000000 + 20,
    Due = erlang:monotonic_time(millisecond) + Delay,
    start_near(Fifth, Due),
    wait_fired(Fifth),
    Fired = erlang:monotonic_time(nanosecond),
    {Started - Began, Cancelled - Started, Fired - Due * 1000000}.

start_far(0, _Random, Timers) -> Timers;
start_far(Left, Random, Timers) ->
    Timer = erlang:send_after(?FAR_MS + Random rem ?FAR_MS, self(), {number, Left}),
    start_far(Left - 1, random(Random), [Timer | Timers]).

cancel_all([], InTime) -> InTime;
cancel_all([Timer | Timers], InTime) ->
    case erlang:cancel_timer(Timer) of
        false -> cancel_all(Timers, InTime);
        _ -> cancel_all(Timers, InTime + 1)
    end.

%% All for one moment.
start_near(0, _Due) -> ok;
start_near(Left, Due) ->
    erlang:send_after(Due, self(), {number, Left}, [{abs, true}]),
    start_near(Left - 1, Due).

wait_fired(0) -> ok;
wait_fired(Left) -> receive {number, _} -> wait_fired(Left - 1) end.

%% Calls one after the other, with all that the library does about the death of the callee.
call(Count) ->
    {ok, Server} = gen_server:start_link(?MODULE, [], []),
    Main = self(),
    Ns = timed(fun() ->
        spawn_link(fun() -> call_loop(Server, 1, Count), Main ! calls_done end),
        receive calls_done -> ok end
    end),
    expect(calls, Count, gen_server:call(Server, handled)),
    gen_server:stop(Server),
    fun() -> rate("call", Count, Ns, "calls/s") end.

call_loop(_Server, N, Count) when N > Count -> ok;
call_loop(Server, N, Count) ->
    expect(reply, N, gen_server:call(Server, {add, N})),
    call_loop(Server, N + 1, Count).

init([]) -> {ok, 0}.
handle_call({add, N}, _From, Handled) -> {reply, N, Handled + 1};
handle_call(handled, _From, Handled) -> {reply, Handled, Handled}.
handle_cast(_Message, Handled) -> {noreply, Handled}.

%% The same by two plain messages and a unique reference.
call_bare(Count) ->
    Main = self(),
    Server = spawn_link(fun() -> bare_server(0) end),
    Ns = timed(fun() ->
        spawn_link(fun() -> bare_loop(Server, 1, Count), Main ! calls_done end),
        receive calls_done -> ok end
    end),
    Server ! {stop, self()},
    receive {handled, Handled} -> expect(calls, Count, Handled) end,
    wait_all([Server]),
    fun() -> rate("call-bare", Count, Ns, "calls/s") end.

bare_loop(_Server, N, Count) when N > Count -> ok;
bare_loop(Server, N, Count) ->
    Ref = make_ref(),
    Server ! {request, Ref, self(), N},
    receive {Ref, Reply} -> expect(reply, N, Reply) end,
    bare_loop(Server, N + 1, Count).

bare_server(Handled) ->
    receive
        {request, Ref, From, N} -> From ! {Ref, N}, bare_server(Handled + 1);
        {stop, From} -> From ! {handled, Handled}
    end.
