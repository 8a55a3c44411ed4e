# The collector runs again and again while tasks call what is linked in. Code whose objects it does not
# know would lose them.
using Features, Generated

const ROUNDS = parse(Int, ARGS[1])

# Those that need a session of their own, or say nothing of code.
const KINDS = filter(kind -> !(kind in (Features.finalizers, Features.stack_overflow)), Features.KINDS)
const PIECES = Any[KINDS; () -> Generated.results(73)]

"All answers; after each piece of work, `between` is called with its number."
function work(between)
    answers = String[]
    for (number, piece) in enumerate(PIECES)
        append!(answers, vcat(Base.invokelatest(piece)))
        between(number)
    end
    return answers
end

const EXPECTED = work(identity)

"A task's rounds: how many gave a wrong answer, and how often it had the collector run meanwhile."
function rounds(task)
    wrong = collections = 0
    for round in 1:ROUNDS
        answers = work() do number
            if (number + task + round) % 8 == 0
                # In turns all that there is, and what is new.
                GC.gc(iseven(collections))
                collections += 1
            end
            yield()
        end
        wrong += answers != EXPECTED
    end
    return (wrong, collections)
end

done = fetch.([Threads.@spawn(rounds(task)) for task in 1:3])
print(sum(first, done), " wrong, ", all(task -> last(task) >= 3 * ROUNDS, done))
