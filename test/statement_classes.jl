# Checks what a build's report says of each line of fixtures/workloads/classes.jl. The file itself
# tells what is expected, in lines such as
#
#     #> precompiled < 1.9, unportable >= 1.9 "another Julia version"
#
# which hold for the lines below them: for each Julia one outcome and, in quotes, a part of the detail.

const CLASSES = joinpath(WORKLOADS, "classes.jl")

"What `text`, a list of outcomes for different Julia versions, says of this one."
function expectation(text)
    for found in eachmatch(r"(\w+)(?: (<|>=) ([\d.]+))?(?: \"([^\"]*)\")?", text)
        outcome, relation, bound, detail = found.captures
        if relation === nothing || (VERSION < VersionNumber(bound)) == (relation == "<")
            return (outcome=Symbol(outcome), detail=something(detail, ""))
        end
    end
    error("nothing is said of Julia $VERSION: $text")
end

"What the file at `path` says of each of its lines."
function expectations(path)
    nothing_of_it = (outcome=:none, detail="")
    current = (outcome=:precompiled, detail="")
    return map(readlines(path)) do line
        if startswith(line, "#> ")
            current = expectation(line)
            return nothing_of_it
        end
        is_comment = startswith(line, "#") && !startswith(line, "#=")
        return is_comment || isempty(strip(line)) ? nothing_of_it : current
    end
end

function check_statement_classes(report, path=CLASSES)
    own = [row for row in report.statements if row.source == path]
    by_line = Dict(row.line => row for row in own)
    @test length(by_line) == length(own)
    lines = readlines(path)
    expected = expectations(path)
    # Compared as a whole, so that a failure shows every line that is wrong.
    wrong = String[]
    for (number, line) in enumerate(lines)
        row = get(by_line, number, (outcome=:none, detail=""))
        wanted = expected[number]
        if row.outcome !== wanted.outcome || !occursin(wanted.detail, row.detail)
            push!(wrong, "$number: $line: $(row.outcome) ($(row.detail))")
        end
    end
    @test wrong == String[]
    @test isempty(filter(row -> row.outcome !== :precompiled && isempty(row.detail), own))
    @test all(row -> row.seconds >= 0, own)

    numbers = Dict(outcome => count(row -> row.outcome === outcome, own)
                   for outcome in unique(row.outcome for row in own))
    @test length(own) >= 40
    for outcome in (:precompiled, :returned_false, :script_local, :name_not_found, :unportable,
        :error, :rejected)
        @test get(numbers, outcome, 0) >= 5
    end
    @test numbers[:crashed] == numbers[:timed_out] == 1
    # Lines that say again what another said are counted.
    @test report.duplicates >= 6
    return numbers
end
