# The report as a page. What it holds is looked at here, and how it looks in a browser where there is one.

"A table as the engine hands it over, of a build with everything in it."
function made_up_report(; statements=3000)
    entry(i) = Dict("text" => "precompile(Tuple{typeof(Example.f$i), Int})", "package" => "Example", "source" => "a.jl",
        "outcome" => "precompiled", "detail" => "", "line" => 0, "seconds" => i / 1000)
    odd = Dict("text" => "precompile(</script><b id=\"broken\">&amp; \u2028 ü, (Int,))", "outcome" => "rejected",
        "detail" => "it is <i>no</i> statement", "source" => "b.jl", "line" => 7, "seconds" => 0.0)
    span(stage, kind, what, start, stop; layer=false, turn=nothing) = Dict("stage" => stage, "kind" => kind,
        "what" => what, "layer" => layer, "start" => start, "stop" => stop, "turn" => turn)
    size(part, bytes, owner=nothing, package=nothing) =
        Dict("part" => part, "bytes" => bytes, "owner" => owner, "package" => package)
    table = PackageCompilerRS.parse_json(PackageCompilerRS.SAMPLE_REPORT)
    merge!(table, Dict(
        "sysimage_path" => "/images/A & <B>.so", "image_size" => 150_000_001, "seconds" => 20.5,
        "peak_memory" => 900_000_000,
        "timeline" => [span("check", "engine", "reading what goes into the image", 0, 0.2),
            span("image", "process", "compiling the image", 0.3, 18.5; turn=9.25),
            span("trace", "stage", "running 2 workloads", 1, 9.0),
            span("trace", "process", "tracing `one.jl`", 1.01, 8.9), span("trace", "process", "tracing `two.jl`", 1.02, 7.0),
            span("image", "stage", "compiling a layer of 2 packages", 9, 9.2; layer=true),
            span("image", "stage", "compiling 3 packages and 3,001 statements", 9.2, 18.6),
            span("link", "stage", "with cc", 18.6, 20)],
        "memory" => [Dict("seconds" => i / 2, "bytes" => 20_000_000 * min(i, 45 - i)) for i in 1:40],
        "sizes" => [size("heap", 80_000_000), size("code", 40_000_000, "base"), size("code", 9_000_000, "package", "Example"),
            size("data", 6_000_000, "package", "Example"), size("debug_information", 10_000_000),
            size("code", 3_000_000, "layer"), size("symbols", 2_000_000), size("other", 1)],
        "how" => Dict("not_linked" => nothing,
            "linked" => Dict("from_base" => 60_000, "from_packages" => 900, "compiled" => 120, "left_out" => 3,
                "refused" => [Dict("path" => "/depot/compiled/B.so", "reason" => "it has <tables> of another kind")]),
            "layer" => Dict("made" => false, "packages" => ["Example", "Needed"], "statements" => 40, "size" => 120_000_000,
                "code" => Dict("from_base" => 50_000, "from_packages" => 9000, "compiled" => 1000, "left_out" => 0,
                    "refused" => [Dict("path" => "/depot/compiled/C.so", "reason" => "it is of another CPU")]))),
        "warnings" => ["a warning with <b>markup</b>"],
    ))
    table["statements"] = Dict("duplicates" => 3, "entries" => [odd; entry.(1:(statements - 1))],
        "residual" => [Dict("text" => "precompile(Tuple{typeof(Main.go)})", "outcome" => nothing, "script_local" => true)],
        "at_start" => Dict("compiled" => [Dict("package" => "Example", "text" => "precompile(Tuple{typeof(Example.start)})")],
            "lines" => 1, "printed" => ["hello from Example"]))
    return table
end

"The numbers in the text of a page."
numbers_of(page) = PackageCompilerRS.parse_json(match(r"id=\"report\">(.*)</script>", page)[1])

"How many elements of `dom` are opened like this."
occurrences(text::AbstractString, part) = length(collect(eachmatch(part, text)))
occurrences(dom::Document, part) = occurrences(dom.text, part)

table_body(dom) = Document(match(r"<table id=\"statements\".*?<tbody>(.*?)</tbody>"s, dom.text)[1])

@testset "the page holds what the JSON holds" begin
    report = BuildReport(made_up_report())
    mktempdir() do dir
        json = joinpath(dir, "report.json")
        page = joinpath(dir, "Report.HTML")
        @test write_report(json, report) == json
        @test write_report(page, report) == page
        text = read(page, String)
        numbers = numbers_of(text)
        @test numbers == PackageCompilerRS.parse_json(read(json, String))
        @test length(numbers["statements"]) == 3000
        @test numbers["statements"][1]["text"] == report.statements[1].text
        @test sum(row["bytes"] for row in numbers["sizes"]) == numbers["image_size"]
        @test numbers["timeline"][2]["turn"] == 9.25 && numbers["how"]["layer"]["packages"] == ["Example", "Needed"]
        # Nothing of the report is markup, and nothing is fetched.
        @test !occursin("<b id", text) && occurrences(text, r"</script>") == 2
        @test occursin("<title>A &amp; &lt;B&gt;.so: sysimage report</title>", text)
        @test !occursin(r"(src|href)=\"(?!data:)", text) && !occursin("@import", text) && !occursin("{{", text)
        @test occursin("60000 functions linked in from a layer of 2 packages, 900 from those above, 120 compiled; in the layer, " *
            "which the cache had, 50000 functions linked in from the base, 9000 from packages, 1000 compiled; 2 caches compiled anew",
            sprint(show, MIME"text/plain"(), report))
    end
end

@testset "a report does not take the place of the image or its stamp" begin
    mktempdir() do dir
        image = joinpath(dir, "Example.so")
        report = BuildReport(merge(made_up_report(; statements=1), Dict("sysimage_path" => image)))
        for taken in (image, image * ".json")
            write(taken, "as it was")
            @test_throws ArgumentError write_report(taken, report)
            @test_throws ArgumentError write_report(joinpath(dir, ".", basename(taken)), report)
            @test read(taken, String) == "as it was"
        end
        @test isfile(write_report(joinpath(dir, "Example.json"), report))
    end
end

@testset "a report of an older engine makes a page" begin
    report = BuildReport(PackageCompilerRS.parse_json(PackageCompilerRS.SAMPLE_REPORT))
    @test isempty(report.timeline) && isempty(report.memory) && isempty(report.sizes) && report.how.layer === nothing
    @test numbers_of(PackageCompilerRS.report_page(report))["sizes"] == []
end

if chromium() === nothing
    println("skipped: the page in a browser: no Chromium")
else
    @testset "in a browser" begin
        mktempdir() do dir
            page = write_report(joinpath(dir, "report.html"), BuildReport(made_up_report()))
            dom, console = rendered(page)
            @test isempty(console)
            @test occursin("data-shown=\"true\"", dom)
            @test !occursin("<b id", dom)
            # Long lists come in parts.
            @test occurrences(table_body(dom), r"<tr>") == 200
            @test occursin("Show 200 more of 2,800", dom)
            @test occursin("3,000 statements", dom)
            @test occurrences(dom, r"class=\"row ") == 8 && occurrences(dom, r"class=\"row stage\"") == 4
            @test occursin("its turn came at 9.25 s", dom)
            @test occursin("<td>The file</td><td class=\"number\">143.1 MiB</td><td class=\"number\">100.0 %</td>", dom)
            @test occursin(r"<div>Example<i[^<]*</i></div></td><td class=\"number\">8.58 MiB</td><td class=\"number\">5.72 MiB</td>", dom)
            @test occursin("Layer: reused from the cache", dom) && occursin("it has &lt;tables&gt; of another kind", dom)
            @test occursin("858.3 MiB", dom)

            # By the address.
            dom, console = rendered(page; fragment="#outcome=rejected&text=NO%3C%2Fi%3E")
            @test isempty(console)
            @test occurrences(table_body(dom), r"<tr>") == 1 && occursin("b.jl:7", table_body(dom))
            @test occursin("1 of 3,000 statements", dom)
            dom, _ = rendered(page; fragment="#package=")
            @test occurrences(table_body(dom), r"<tr>") == 1

            # By hand: what is pressed, chosen and written.
            by_hand = """
                document.querySelector('#outcomes button[value=precompiled]').click();
                const box = document.getElementById('package');
                box.value = '=Example';
                box.dispatchEvent(new Event('change'));
                const text = document.getElementById('text');
                text.value = 'example.f299';
                text.dispatchEvent(new Event('input'));
                document.querySelector('[data-sort=seconds]').click();
                setTimeout(() => document.title = location.hash, 1000);
                """
            dom, console = rendered(page; script=by_hand)
            @test isempty(console)
            # 299 and 2990 to 2999, the slowest first.
            @test occurrences(table_body(dom), r"<tr>") == 11
            @test occursin(r"f2999\).*f2990\).*f299\)"s, table_body(dom))
            @test occursin("aria-sort=\"descending\"", dom)
            @test occursin("<title>#outcome=precompiled&amp;package=Example&amp;text=example.f299</title>", dom)
            dom, console = rendered(page; script=by_hand * "setTimeout(() => document.getElementById('clear').click(), 500);")
            @test isempty(console) && occursin(">3,000 statements", dom)
            dom, _ = rendered(page; script="document.getElementById('more').click();")
            @test occurrences(table_body(dom), r"<tr>") == 400

            # Nothing is wider than a phone.
            frame = "<iframe src=page.html width=400 height=800></iframe>" *
                    "<script>addEventListener('message', told => document.title = told.data)</script>"
            measure = "parent.postMessage([innerWidth, document.documentElement.scrollWidth].join(' '), '*')"
            dom, console = rendered(page; script=measure, frame=frame)
            @test isempty(console)
            inner, needed = parse.(Int, split(match(r"<title>(.*)</title>", dom.text)[1]))
            @test inner == 400 && needed <= 400

            old = BuildReport(PackageCompilerRS.parse_json(PackageCompilerRS.SAMPLE_REPORT))
            dom, console = rendered(write_report(joinpath(dir, "old.html"), old))
            @test isempty(console) && occursin("did not note what ran when", dom)
            # What the tests above would see of an error.
            _, console = rendered(page; script="no_such_function();")
            @test any(line -> occursin("no_such_function is not defined", line), console)
        end
    end
end
