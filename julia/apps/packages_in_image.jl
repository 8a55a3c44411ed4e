# Runs on an image, as a script: names of the packages in it, with NUL between.
join(stdout, [id.name for id in keys(Base.loaded_modules)], '\0')
