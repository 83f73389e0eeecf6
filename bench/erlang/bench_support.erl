%% What both benchmark programs share: measuring, reporting, and failing when a count is wrong.
%%
%% Output is one figure a line, "name value unit", as the programs in bench/troupe print it. The figures "cpu"
%% and "peak" are the CPU time and the largest memory of this process up to then.
-module(bench_support).
-export([run/1, timed/1, rate/4, per_item/3, figure/3, usage/1, cpu/0, percentile/2, expect/3, rss/0, wait_all/1, settle/0, verify_peer/3, cpu_ns/0]).

%% Runs Fun in a process of its own and ends the emulator: 0, or 5 when a count was wrong, or a linked process failed.
%% The process that calls this traps exits, since it starts the system.
run(Fun) ->
    {Pid, Ref} = spawn_monitor(Fun),
    receive
        {'DOWN', Ref, process, Pid, normal} -> erlang:halt(0);
        {'DOWN', Ref, process, Pid, Reason} ->
            io:format(standard_error, "~p~n", [Reason]),
            erlang:halt(5)
    end.

%% Answers the nanoseconds that Fun took.
timed(Fun) ->
    Start = erlang:monotonic_time(nanosecond),
    Fun(),
    erlang:monotonic_time(nanosecond) - Start.

rate(Name, Count, Nanoseconds, Unit) -> figure(Name, Count * 1.0e9 / Nanoseconds, Unit).
per_item(Name, Count, Nanoseconds) -> figure(Name, Nanoseconds / Count, "ns").
figure(Name, Value, Unit) -> io:format("~s ~.3f ~s~n", [Name, Value * 1.0, Unit]).

%% Prints the CPU time since CpuBefore, and the peak memory of the process.
usage(CpuBefore) ->
    figure("cpu", cpu() - CpuBefore, "s"),
    figure("peak", status_kib("VmHWM:") / 1024, "MiB").

%% Seconds of CPU of all threads so far. The kernel counts them in hundredths.
cpu() ->
    {ok, Text} = file:read_file("/proc/self/stat"),
    [_, AfterName] = string:split(Text, ") ", trailing),
    Fields = string:lexemes(AfterName, " "),
    (binary_to_integer(lists:nth(12, Fields)) + binary_to_integer(lists:nth(13, Fields))) / 100.

%% The same in nanoseconds, of the threads that live. Costs one read for each thread.
cpu_ns() ->
    {ok, Threads} = file:list_dir("/proc/self/task"),
    lists:sum([thread_ns(Thread) || Thread <- Threads]).

thread_ns(Thread) ->
    {ok, Text} = file:read_file("/proc/self/task/" ++ Thread ++ "/schedstat"),
    [Nanoseconds | _] = string:lexemes(Text, " "),
    binary_to_integer(Nanoseconds).

rss() -> status_kib("VmRSS:") * 1024.

status_kib(Key) ->
    {ok, Text} = file:read_file("/proc/self/status"),
    [_, After] = string:split(Text, Key),
    [Number | _] = string:lexemes(After, " \t"),
    binary_to_integer(Number).

%% The value below which Percent of the samples lie.
percentile(Samples, Percent) ->
    Sorted = lists:sort(Samples),
    lists:nth(max(1, ceil(length(Sorted) * Percent / 100)), Sorted).

expect(_What, Value, Value) -> ok;
expect(What, Wanted, Got) -> error({wrong_count, What, {wanted, Wanted}, {got, Got}}).

%% Waits until every process of Pids has ended.
wait_all(Pids) ->
    [begin
         Ref = monitor(process, Pid),
         receive {'DOWN', Ref, process, Pid, _} -> ok end
     end || Pid <- Pids],
    ok.

%% Waits until this process has used next to no CPU for a fifth of a second; ten seconds at the most.
settle() -> settle(cpu(), 50).

settle(_Before, 0) -> ok;
settle(Before, Left) ->
    timer:sleep(200),
    case cpu() of
        Now when Now - Before < 0.015 -> ok;
        Now -> settle(Now, Left - 1)
    end.

%% For TLS between nodes: the chain of certificates is checked, the host's name is not, since Troupe's certificates name nodes.
verify_peer(_Certificate, {bad_cert, hostname_check_failed}, State) -> {valid, State};
verify_peer(_Certificate, {bad_cert, _} = Reason, _State) -> {fail, Reason};
verify_peer(_Certificate, {extension, _}, State) -> {unknown, State};
verify_peer(_Certificate, _Valid, State) -> {valid, State}.
