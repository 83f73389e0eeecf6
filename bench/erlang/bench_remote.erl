%% The benchmarks of two nodes.
%%   server: erl ... -s bench_remote server                      prints "ready", ends at the end of its input
%%   client: erl ... -s bench_remote client -extra SERVER NAME COUNT [SIZE]
%%
%% Each does the same work as its namesake in bench/troupe/remote.c.
-module(bench_remote).
-export([server/0, client/0]).
-import(bench_support, [timed/1, rate/4, figure/3, cpu/0, usage/1, expect/3, percentile/2, settle/0]).

-behaviour(gen_server).
-export([init/1, handle_call/3, handle_cast/2]).

-define(REQUEST_BYTES, 64).
-define(WINDOW, 64).

server() -> bench_support:run(fun() ->
    Cpu = cpu(),
    register(sink, spawn_link(fun sink/0)),
    register(echo, spawn_link(fun echo/0)),
    register(garden, spawn_link(fun garden/0)),
    register(crowd, spawn_link(fun crowd/0)),
    {ok, _} = gen_server:start_link({local, server}, ?MODULE, [], []),
    io:format("ready~n"),
    eof = io:get_line(""),
    usage(Cpu)
end).

client() -> bench_support:run(fun() ->
    [Node, Name, CountText | Rest] = init:get_plain_arguments(),
    Server = list_to_atom(Node),
    true = net_kernel:connect_node(Server),
    Count = list_to_integer(CountText),
    Bench = bench(Name, Server, Rest),
    lists:member(Name, ["links", "idle"]) orelse Bench(max(1, Count div 10)), % Those can be done once.
    Cpu = cpu(),
    Report = Bench(Count),
    Report(),
    usage(Cpu)
end).

bench("oneway", Server, [Size]) -> fun(Count) -> oneway(Server, Count, list_to_integer(Size)) end;
bench("request-reply", Server, []) -> fun(Count) -> request_reply(Server, Count) end;
bench("call", Server, []) -> fun(Count) -> calls(Server, Count) end;
bench("links", Server, []) -> fun(Count) -> links(Server, Count) end;
bench("idle", Server, []) -> fun(Count) -> idle(Server, Count) end.

%% The pid behind a registered name of the other node. Its failure is ours, but our end is not its failure, as it would be
%% by a link: the end of this node may be heard before that of its last process.
remote_pid(Server, Name) ->
    {Name, Server} ! {who, self()},
    receive {me, Pid} -> spawn_link(fun() -> watch(Pid) end), Pid end.

watch(Pid) ->
    Ref = monitor(process, Pid),
    receive {'DOWN', Ref, process, Pid, Reason} -> exit(Reason) end.

%% Count messages of Size bytes. The clock stops when the answer "all counted" is here.
oneway(Server, Count, Size) ->
    Sink = remote_pid(Server, sink),
    Payload = binary:copy(<<7>>, Size),
    Ns = timed(fun() ->
        Sink ! {expect, self(), Count, Size},
        send_payloads(Sink, 1, Count, Payload),
        receive {counted, Seen} -> expect(counted, Count, Seen) end
    end),
    Name = "remote-oneway-" ++ size_name(Size),
    fun() -> rate(Name, Count, Ns, "msgs/s") end.

size_name(Size) when Size >= 1024 -> integer_to_list(Size div 1024) ++ "KiB";
size_name(Size) -> integer_to_list(Size) ++ "B".

send_payloads(_To, N, Last, _Payload) when N > Last -> ok;
send_payloads(To, N, Last, Payload) -> To ! {data, N, Payload}, send_payloads(To, N + 1, Last, Payload).

sink() ->
    receive
        {who, From} -> From ! {me, self()}, sink();
        {expect, From, Count, Size} -> sink(1, Count, Size), From ! {counted, Count}, sink()
    end.

sink(N, Count, _Size) when N > Count -> ok;
sink(N, Count, Size) ->
    receive {data, Got, Payload} ->
        expect(order, N, Got),
        expect(size, Size, byte_size(Payload)),
        sink(N + 1, Count, Size)
    end.

%% 64 B there and back by two plain messages: one at a time, then with 64 under way.
request_reply(Server, Count) ->
    Echo = remote_pid(Server, echo),
    Payload = binary:copy(<<7>>, ?REQUEST_BYTES),
    Samples = sequential(fun() -> ask(Echo, Payload) end, Count, []),
    Windowed = 3 * Count,
    Ns = timed(fun() -> windowed(Echo, Payload, 0, 0, Windowed) end),
    fun() ->
        percentiles("remote-request-reply", Samples, Count),
        rate("remote-request-reply-64", Windowed, Ns, "calls/s")
    end.

ask(Echo, Payload) ->
    Ref = make_ref(),
    Echo ! {request, Ref, self(), Payload},
    receive {Ref, Reply} -> expect(size, ?REQUEST_BYTES, byte_size(Reply)) end.

sequential(_Request, 0, Samples) -> Samples;
sequential(Request, Left, Samples) -> sequential(Request, Left - 1, [timed(Request) | Samples]).

percentiles(Name, Samples, Count) ->
    expect(samples, Count, length(Samples)),
    figure(Name ++ "-p50", percentile(Samples, 50), "ns"),
    figure(Name ++ "-p99", percentile(Samples, 99), "ns").

windowed(_Echo, _Payload, Count, Count, Count) -> ok;
windowed(Echo, Payload, Sent, Answered, Count) when Sent < Count, Sent - Answered < ?WINDOW ->
    Echo ! {request, Sent, self(), Payload},
    windowed(Echo, Payload, Sent + 1, Answered, Count);
windowed(Echo, Payload, Sent, Answered, Count) ->
    receive {Number, Reply} ->
        expect(order, Answered, Number),
        expect(size, ?REQUEST_BYTES, byte_size(Reply)),
        windowed(Echo, Payload, Sent, Answered + 1, Count)
    end.

echo() ->
    receive
        {who, From} -> From ! {me, self()}, echo();
        {request, Ref, From, Payload} -> From ! {Ref, Payload}, echo()
    end.

%% The library's call: it watches the callee while it waits.
calls(Server, Count) ->
    Payload = binary:copy(<<7>>, ?REQUEST_BYTES),
    Call = fun() -> expect(size, ?REQUEST_BYTES, byte_size(gen_server:call({server, Server}, {echo, Payload}))) end,
    Before = gen_server:call({server, Server}, handled),
    Samples = sequential(Call, Count, []),
    expect(handled, Count, gen_server:call({server, Server}, handled) - Before),
    fun() -> percentiles("remote-call", Samples, Count) end.

init([]) -> {ok, 0}.
handle_call({echo, Payload}, _From, Handled) -> {reply, Payload, Handled + 1};
handle_call(handled, _From, Handled) -> {reply, Handled, Handled}.
handle_cast(_Message, Handled) -> {noreply, Handled}.

%% Count processes, each linked to one of the other node, whose emulator is then killed: until the last exit signal was
%% handled. The shell that kills is there before, since the emulator itself cannot send signals.
links(Server, Count) ->
    {garden, Server} ! {plant, self(), Count},
    {OsPid, Plants} = receive {planted, P, List} -> {P, List} end,
    expect(plants, Count, length(Plants)),
    Killer = open_port({spawn_executable, "/bin/sh"}, [stream, {args, ["-c", "read go; kill -9 " ++ OsPid]}]),
    First = erlang:monotonic_time(nanosecond),
    Seen = atomics:new(3, []), % exits, exits that are strange, when the first exit was
    Main = self(),
    Ties = [spawn(fun() -> tie(Main, Seen, Count, Plant) end) || Plant <- Plants],
    greeted(Server, Count),
    Began = erlang:monotonic_time(nanosecond),
    settle(),
    Cpu = cpu(),
    Killed = erlang:monotonic_time(nanosecond),
    port_command(Killer, "go\n"),
    receive all_exited -> ok end,
    Ended = erlang:monotonic_time(nanosecond),
    Used = cpu() - Cpu,
    [Tie ! go_home || Tie <- Ties],
    bench_support:wait_all(Ties),
    expect(exits, Count, atomics:get(Seen, 1)),
    expect(strange, 0, atomics:get(Seen, 2)),
    fun() ->
        figure("remote-links", (Ended - Killed) / 1.0e6, "ms"),
        figure("remote-links-first", (atomics:get(Seen, 3) - Killed) / 1.0e6, "ms"),
        figure("remote-links-cpu", Used * 1.0e3, "ms"),
        figure("remote-links-setup", (Began - First) / 1.0e6, "ms")
    end.

greeted(Server, Count) ->
    {garden, Server} ! {get_greeted, self()},
    receive
        {greeted, Count} -> ok;
        {greeted, _} -> greeted(Server, Count)
    end.

tie(Main, Seen, Count, Plant) ->
    process_flag(trap_exit, true),
    link(Plant),
    Plant ! greeting,
    receive
        {'EXIT', Plant, noconnection} ->
            case atomics:add_get(Seen, 1, 1) of
                1 -> atomics:put(Seen, 3, erlang:monotonic_time(nanosecond));
                Count -> Main ! all_exited;
                _ -> ok
            end,
            Count =:= 1 andalso (Main ! all_exited)
    end,
    receive
        {'EXIT', _, _} -> atomics:add(Seen, 2, 1);
        go_home -> ok
    end.

garden() ->
    Greeted = atomics:new(1, []),
    receive {plant, From, Count} ->
        From ! {planted, os:getpid(), [spawn(fun() -> plant(Greeted) end) || _ <- lists:seq(1, Count)]}
    end,
    garden_tell(Greeted).

garden_tell(Greeted) ->
    receive {get_greeted, From} -> From ! {greeted, atomics:get(Greeted, 1)} end,
    garden_tell(Greeted).

plant(Greeted) ->
    receive greeting -> atomics:add(Greeted, 1, 1) end,
    plant(Greeted).

%% What a connection with each of Count more nodes costs this process while nothing is said. The nodes are hidden, so that
%% each has a connection with this one alone.
idle(Server, Count) ->
    Ms = min(300 * Count, 3000),
    {Bytes, Cpu} = idle_cost(Ms),
    {crowd, Server} ! {start, self(), Count, node()},
    receive {started, Count} -> ok end,
    connected(Count, erlang:monotonic_time(second) + 60),
    {BytesAfter, CpuAfter} = idle_cost(Ms),
    expect(sessions, Count, length(nodes(hidden))),
    {crowd, Server} ! {stop, self()},
    receive stopped -> ok end,
    fun() ->
        figure("remote-idle-memory", (BytesAfter - Bytes) / Count, "B"),
        figure("remote-idle-cpu", (CpuAfter - Cpu) * 1.0e6 / Count, "us/s")
    end.

connected(Count, Deadline) ->
    case length(nodes(hidden)) of
        Count -> ok;
        Less ->
            erlang:monotonic_time(second) < Deadline orelse error({sessions, Less}),
            timer:sleep(10),
            connected(Count, Deadline)
    end.

%% Bytes, and seconds of CPU in a second. The scheduler's own clock of this process' threads is finer than cpu().
idle_cost(Ms) ->
    settle(),
    Began = erlang:monotonic_time(nanosecond),
    Cpu = bench_support:cpu_ns(),
    timer:sleep(Ms),
    Seconds = (erlang:monotonic_time(nanosecond) - Began) / 1.0e9,
    {bench_support:rss(), (bench_support:cpu_ns() - Cpu) / 1.0e9 / Seconds}.

%% Starts nodes as this one was started, and ends them by the end of their input.
crowd() ->
    receive {start, From, Count, Node} ->
        Nodes = [crowd_node(Number, Node) || Number <- lists:seq(1, Count)],
        [receive {Port, {data, {eol, "connected"}}} -> ok end || Port <- Nodes],
        From ! {started, Count},
        receive {stop, Again} ->
            [port_close(Port) || Port <- Nodes],
            Again ! stopped
        end
    end,
    crowd().

crowd_node(Number, Node) ->
    [Own, Host] = string:split(atom_to_list(node()), "@"),
    Name = "crowd" ++ integer_to_list(Number) ++ "_" ++ Own ++ "@" ++ Host,
    Code = io_lib:format("true = net_kernel:hidden_connect_node('~s'), io:format(\"connected~~n\"), eof = io:get_line(\"\"), halt(0).",
                         [Node]),
    Arguments = ["+S", "1:1", "-noshell", "-hidden", "-name", Name, "-setcookie", atom_to_list(erlang:get_cookie()),
                 "-start_epmd", "false", "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-eval", lists:flatten(Code)],
    open_port({spawn_executable, os:find_executable("erl")}, [{line, 1000}, {args, Arguments}]).
