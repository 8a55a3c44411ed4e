# The collector runs for some seconds while tasks call what is linked in. Code whose objects it does
# not know would lose them.
using Features, Generated

const SECONDS = parse(Float64, ARGS[1])
const FINISHED = Threads.Atomic{Bool}(false)

# Those that need a session of their own, or say nothing of code.
const KINDS = filter(kind -> !(kind in (Features.finalizers, Features.stack_overflow)), Features.KINDS)

work() = vcat(String[Base.invokelatest(kind) for kind in KINDS], Generated.results(73))
expected = work()

tasks = map(1:3) do n
    Threads.@spawn begin
        rounds = wrong = 0
        while !FINISHED[]
            result = work()
            rounds += 1
            result == expected || (wrong += 1)
            yield()
        end
        (rounds, wrong)
    end
end
let start = time(), collections = 0
    while time() - start < SECONDS
        GC.gc(isodd(collections))
        collections += 1
        yield()
    end
    FINISHED[] = true
    done = fetch.(tasks)
    println(stderr, "$(sum(first, done)) rounds, $collections collections, $(Threads.nthreads()) threads")
    print(sum(last, done), ' ', sum(first, done) >= 3, ' ', collections >= 3)
end
