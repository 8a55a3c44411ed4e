# Pages as a browser shows them.

"A document's text without styles and scripts; a test that fails shows none of it."
struct Document
    text::String
end

Base.show(io::IO, ::Document) = print(io, "the document")
Base.occursin(part, document::Document) = occursin(part, document.text)

"The command of a headless Chromium, or `nothing`."
function chromium()
    for name in ("chromium", "chromium-browser", "google-chrome")
        path = Sys.which(name)
        path === nothing || return path
    end
    return nothing
end

"""
    rendered(page; fragment="", script="", frame=nothing) -> (dom, console)

The file `page` as Chromium has it once its scripts have run, and `script` after them: the [`Document`](@ref), and the
lines that its console was told. With `frame`, of this document, which has `page.html` in a frame:
windows cannot be as narrow as phones.
"""
function rendered(page; fragment="", script="", frame=nothing)
    return mktempdir() do folder
        copy = joinpath(folder, "page.html")
        write(copy, replace(read(page, String), "</body>" => "<script>\n$script\n</script>\n</body>"))
        if frame !== nothing
            copy = joinpath(folder, "frame.html")
            write(copy, frame)
        end
        command = `$(chromium()) --headless --no-sandbox --disable-gpu --disable-quic --no-first-run
            --disable-background-networking --disable-component-update --disable-sync
            --user-data-dir=$(joinpath(folder, "profile")) --enable-logging=stderr --virtual-time-budget=10000
            --dump-dom file://$copy$fragment`
        process, dom, said = PackageCompilerRS.captured(command)
        @test success(process)
        dom = replace(dom, r"<(script|style)\b.*?</\1>"s => "")
        (Document(dom), filter(line -> occursin("CONSOLE", line), split(said, '\n')))
    end
end
