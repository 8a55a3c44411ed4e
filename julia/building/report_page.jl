# The report as a page: the parts in the folder `report_page` and the report's JSON, in one file.

page_part(name) = read(joinpath(package_folder(), "julia", "building", "report_page", name), String)

"The text of the page that shows `report`."
function report_page(report)
    parts = Dict(
        "title" => escaped_for_html(string(basename(report.sysimage_path), ": sysimage report")),
        "style" => page_part("style.css"),
        "script" => page_part("script.js"),
        # `</script>` in a statement would end the data. `<` is in JSON's strings alone.
        "data" => replace(report_json(report), '<' => "\\u003c"),
    )
    # At once, so that nothing is looked for in what was put in.
    return replace(page_part("page.html"), r"{{\w+}}" => place -> parts[place[3:(end - 2)]])
end

function escaped_for_html(text)
    for (character, escape) in ('&' => "&amp;", '<' => "&lt;", '>' => "&gt;")
        text = replace(text, character => escape)
    end
    return text
end
