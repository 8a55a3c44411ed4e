//! What goes into a build, as content keys: equal keys, equal results.
//!
//! Paths count where images hold them: those of packages, scripts and depots. What a script reads
//! other than by `include` cannot be known; the plan's `workload_deps` name such files.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use pcrs_cache::{
    Error, Ignore, Includes, Key, KeyBuilder, Site, Stop, Tree, hash_file_until, hash_tree_until,
    include_closure,
};

use super::beside;
use super::depots;
use super::listed::{self, Unlisted};
use super::made;
use super::project_file;
use super::source;
use super::sources;
use super::stamp::{self, Listed};
use crate::linked::Way;
use crate::plan::{Base, BuildPlan, Package, Workload, file_name};

/// The keys of a build's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    /// Of the finished image.
    pub image: Key,
    /// Of the fresh base (`incremental=false`).
    pub base: Key,
    /// Of the packages' precompile caches.
    pub packages: Key,
    /// Of the layer of packages that only a new Manifest changes.
    pub layer: Key,
    /// Of what is built on that layer: which packages, and which workloads run, whatever is in them.
    pub above: Key,
    /// Of the traces, one a workload, or one for the bare start of Julia.
    pub traces: Vec<Key>,
    /// What the keys cannot cover, a sentence each.
    pub gaps: Vec<String>,
    /// Packages whose caches can tell what their text does not.
    pub unlisted: Vec<Unlisted>,
    /// Those of which it is known what they have told.
    pub listed: Vec<Unlisted>,
}

impl Inputs {
    /// Of a trace made on the layer that was made with the file `statements`, where the one on the base itself would
    /// have `key`. The layer's own key does not tell them: the image that it was first made for does.
    ///
    /// # Errors
    /// When that file cannot be read.
    pub fn on_layer(&self, key: &Key, statements: &Path) -> Result<Key, Error> {
        let mut on_layer = KeyBuilder::new("trace on layer/v2");
        on_layer.key("trace", key).key("layer", &self.layer);
        on_layer.file("statements", statements)?;
        Ok(on_layer.finish())
    }
}

/// Reads all that goes into the build of `plan`. What links it does not: images of another linker have
/// the same code.
///
/// # Errors
/// For a file or folder that cannot be read, the build is then to go on without cache; and when
/// `stop` is set before the end.
pub fn read(plan: &BuildPlan, stop: &Stop) -> Result<Inputs, Error> {
    let mut reader = Reader::new(plan, stop);
    reader.read_large_files()?;
    let julia = reader.julia()?;
    let (base, on) = match &plan.base {
        Base::Existing { path } => (julia, reader.file(path)?),
        Base::Fresh { .. } => {
            let base = reader.base(&julia)?;
            (base, base)
        }
    };
    let packages = reader.packages()?;
    let environment = match plan.runs_code() {
        true => Some(reader.environment()?),
        // What the image does not have, nothing loads.
        false => None,
    };
    let deps = reader.dependencies()?;

    let mut caches = KeyBuilder::new("precompile/v1");
    caches.key("julia", &julia).key("on", &on);
    caches.key("packages", &packages);

    let way = reader.way()?;
    let variables = variables(plan);
    caches.key("way", &way).key("variables", &variables);

    let mut layer = KeyBuilder::new("layer/v1");
    layer.field("sources", sources::IMAGE);
    layer.key("julia", &julia).key("on", &on).key("way", &way);
    layer.key("variables", &variables);
    layer.field("cpu", plan.bound_to_cpu().unwrap_or_default());
    for arg in &plan.build_args {
        layer.field("arg", arg);
    }
    layer.key("packages", &reader.settled_packages()?);
    let layer = layer.finish();
    let above = above_layer(plan, &layer);
    let common = [julia, on, deps, way, variables];
    let traces = match environment.filter(|_| !plan.workloads.is_empty()) {
        Some(environment) => reader.traces(&common, &environment)?,
        None => vec![reader.bare_trace(&common, &packages)],
    };

    let mut image = KeyBuilder::new("image/v1");
    image.field("sources", sources::IMAGE);
    image.key("julia", &julia).key("on", &on);
    image.key("packages", &packages).key("deps", &deps);
    image.key("options", &options(plan));
    image.key("way", &way).key("variables", &variables);
    // The image's own stamp has them.
    let below = stamp::in_base(plan, Some(&on.to_string()));
    image.field("below", serde_json::to_string(&below).unwrap_or_default());
    for trace in &traces {
        image.key("trace", trace);
    }
    if let Some(environment) = &environment {
        // For the script, which is in no trace.
        image.key("environment", environment);
    }
    for file in &plan.statement_files {
        // The report names it.
        image.field("path", bytes(file));
        image.key("statements", &reader.file(file)?);
    }
    if let Some(script) = &plan.script {
        image.key("script", &reader.script(script)?);
    }
    let mut unlisted = std::mem::take(&mut reader.unlisted);
    if !plan.workload_deps.is_empty() {
        // The user knows of the matter, and said what there is to say.
        reader.gaps.clear();
        unlisted.iter_mut().for_each(|package| package.gaps.clear());
    }
    Ok(Inputs {
        image: image.finish(),
        base,
        packages: caches.finish(),
        layer,
        above,
        traces,
        unlisted,
        listed: reader.known,
        gaps: reader.gaps,
    })
}

fn above_layer(plan: &BuildPlan, layer: &Key) -> Key {
    let mut key = KeyBuilder::new("above layer/v1");
    key.key("layer", layer);
    for package in plan.packages.iter().filter(|package| !package.settled) {
        key.field("package", &package.uuid);
    }
    for workload in &plan.workloads {
        key.field("workload", bytes(&workload.file()));
    }
    key.finish()
}

/// Variables that change what Julia compiles.
pub(crate) const ENVIRONMENT: [&str; 4] = [
    "JULIA_LLVM_ARGS",
    "ENABLE_GDBLISTENER",
    "JULIA_USE_FLISP_PARSER",
    "JULIA_USE_NEW_PARSER",
];

/// Those that the user named.
fn variables(plan: &BuildPlan) -> Key {
    let mut key = KeyBuilder::new("variables/v1");
    for name in &plan.environment_inputs {
        key.key(name, &variable(plan, name));
    }
    key.finish()
}

/// An empty variable is not one that is missing.
pub(crate) fn variable(plan: &BuildPlan, name: &str) -> Key {
    let mut key = KeyBuilder::new("variable/v1");
    if let Some(value) = plan.surroundings.var(name) {
        key.field(name, value.as_encoded_bytes());
    }
    key.finish()
}

/// Reads each file and folder once.
pub(crate) struct Reader<'a> {
    plan: &'a BuildPlan,
    stop: Stop,
    pub(crate) depots: Vec<PathBuf>,
    pub(crate) ignore: Ignore,
    files: HashMap<PathBuf, Key>,
    sources: HashMap<PathBuf, Key>,
    /// The image whose stamp may know more.
    pub(crate) image: &'a Path,
    /// What the keys given so far do not cover, a sentence each.
    pub(crate) gaps: Vec<String>,
    /// Packages whose caches can tell what their text does not.
    pub(crate) unlisted: Vec<Unlisted>,
    /// Those of which it is known what they have told.
    known: Vec<Unlisted>,
    /// Of the source read last, where its text does not tell all of it.
    pub(crate) listed: Option<Listed>,
    /// Of what was read last, the files of scripts, and what packages include or depend on elsewhere, be it there or not.
    pub(crate) included: Vec<PathBuf>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(plan: &'a BuildPlan, stop: &Stop) -> Self {
        Self {
            plan,
            stop: stop.clone(),
            depots: depots::paths(plan),
            ignore: ignored(plan, stop),
            files: HashMap::new(),
            sources: HashMap::new(),
            image: &plan.sysimage_path,
            gaps: Vec::new(),
            unlisted: Vec::new(),
            known: Vec::new(),
            listed: None,
            included: Vec::new(),
        }
    }

    /// Reads the files of many megabytes, several at once.
    pub(crate) fn read_large_files(&mut self) -> Result<(), Error> {
        self.files = hash_at_once(large_files(self.plan), &self.stop)?;
        Ok(())
    }

    pub(crate) fn file(&mut self, path: &Path) -> Result<Key, Error> {
        let real = real(path);
        if let Some(key) = self.files.get(&real) {
            return Ok(*key);
        }
        let key = hash_file_until(path, &self.stop)?;
        self.files.insert(real, key);
        Ok(key)
    }

    /// A folder without what is made from it.
    pub(crate) fn folder(&self, folder: &Path) -> Result<Tree, Error> {
        hash_tree_until(folder, &self.ignore, &self.stop)
    }

    /// A folder of code, without what is made from it and what Julia leaves there.
    fn code(&self, folder: &Path) -> Result<Tree, Error> {
        let ignore = self.ignore.clone().names(source::is_litter);
        hash_tree_until(folder, &ignore, &self.stop)
    }

    /// A folder in which no build makes anything.
    pub(crate) fn plain_folder(&self, folder: &Path) -> Result<Tree, Error> {
        hash_tree_until(folder, &Ignore::default(), &self.stop)
    }

    /// The Julia build: its libraries and the packages that it brings.
    fn julia(&mut self) -> Result<Key, Error> {
        let julia = &self.plan.julia;
        let mut key = KeyBuilder::new("julia/v1");
        // The scripts of its children among them.
        key.field("engine", sources::ENGINE);
        key.field("version", julia.version.to_string());
        key.field("arch", &julia.arch);
        key.field("path", bytes(&julia.exe));
        key.key("exe", &self.file(&julia.exe)?);
        for library in libraries(self.plan) {
            key.key("library", &self.file(&library)?);
        }
        for name in ENVIRONMENT {
            if let Some(value) = self.plan.surroundings.var(name) {
                key.field(name, value.as_encoded_bytes());
            }
        }
        // One by one: where Julia was built, they are links.
        for stdlib in folders_in(&julia.stdlib) {
            key.field("stdlib", file_name(&stdlib));
            key.key("source", &self.plain_folder(&stdlib)?.key);
        }
        Ok(key.finish())
    }

    fn base(&mut self, julia: &Key) -> Result<Key, Error> {
        let plan = self.plan;
        let mut key = KeyBuilder::new("base/v1");
        key.key("julia", julia);
        linker_arguments(plan, &mut key);
        // Base is compiled by what the default image holds.
        key.key("image", &self.file(&plan.julia.default_sysimage)?);
        let source = &plan.julia.base_source;
        for folder in [source.clone(), source.with_file_name("Compiler")] {
            if folder.is_dir() {
                key.key("source", &self.plain_folder(&folder)?.key);
            }
        }
        key.field("cpu_target", &plan.cpu_target);
        key.field("cpu", plan.bound_to_cpu().unwrap_or_default());
        for arg in plan.base_args() {
            key.field("arg", arg);
        }
        Ok(key.finish())
    }

    /// Packages as the Manifest names them, and the source of those tracked by path.
    fn packages(&mut self) -> Result<Key, Error> {
        let mut key = KeyBuilder::new("packages/v1");
        self.common_to_packages(&mut key)?;
        for package in &self.plan.packages {
            self.package(&mut key, package)?;
        }
        Ok(key.finish())
    }

    /// As [`Reader::packages`], of those that only a new Manifest changes.
    fn settled_packages(&mut self) -> Result<Key, Error> {
        let mut key = KeyBuilder::new("settled packages/v1");
        self.common_to_packages(&mut key)?;
        for package in self.plan.packages.iter().filter(|p| p.settled) {
            self.package(&mut key, package)?;
            key.field("load", package.load.to_string());
            key.field("requested", package.requested.to_string());
        }
        Ok(key.finish())
    }

    fn common_to_packages(&self, key: &mut KeyBuilder) -> Result<(), Error> {
        key.field("preferences", self.plan.preferences_that_count());
        key.key("depots", &depots::key(&self.depots)?);
        Ok(())
    }

    fn package(&mut self, key: &mut KeyBuilder, package: &Package) -> Result<(), Error> {
        key.field("name", &package.name);
        key.field("uuid", &package.uuid);
        key.field("version", package.version.as_deref().unwrap_or_default());
        let tree = package.tree_hash.as_deref();
        key.field("tree", tree.unwrap_or_default());
        if let Some(path) = &package.path {
            key.key("source", &self.source(path)?);
            return Ok(());
        }
        self.installed(key, &package.name, &package.uuid, tree)
    }

    /// Where a package is installed, and what was built there.
    pub(crate) fn installed(
        &self,
        key: &mut KeyBuilder,
        name: &str,
        uuid: &str,
        tree: Option<&str>,
    ) -> Result<(), Error> {
        let folder = tree.and_then(|tree| depots::installed(&self.depots, name, uuid, tree));
        if let Some(folder) = folder {
            key.field("installed", bytes(&folder));
            if let Some(built) = depots::built(&folder)? {
                key.key("built", &built);
            }
        }
        Ok(())
    }

    /// All that a workload or the script can load.
    fn environment(&mut self) -> Result<Key, Error> {
        let project = &self.plan.project;
        let mut key = KeyBuilder::new("environment/v1");
        key.field("project", bytes(&project.dir));
        key.field("file", project_file::read(&project.file)?);
        key.field("preferences", &self.plan.preferences);
        key.key("depots", &depots::key(&self.depots)?);
        for source in &project.sources {
            key.key("source", &self.source(source)?);
        }
        // Sorted: which of them go into the image is nothing to a workload. Not the Manifest itself: that
        // of a workspace has packages of other projects too.
        let planned = self.plan.packages.iter();
        let planned = planned.map(|p| (&p.name, &p.uuid, &p.version, &p.path, &p.tree_hash));
        let others = project.others.iter();
        let others = others.map(|p| (&p.name, &p.uuid, &p.version, &p.path, &p.tree_hash));
        for (name, uuid, version, path, tree) in planned.chain(others).collect::<BTreeSet<_>>() {
            key.field("name", name).field("uuid", uuid);
            key.field("version", version.as_deref().unwrap_or_default());
            key.field("path", path.as_deref().map(bytes).unwrap_or_default());
            key.field("tree", tree.as_deref().unwrap_or_default());
            self.installed(&mut key, name, uuid, tree.as_deref())?;
        }
        Ok(key.finish())
    }

    /// A package tracked by path, as [`source`](super::source) takes it, with the files elsewhere that
    /// it includes.
    pub(crate) fn source(&mut self, folder: &Path) -> Result<Key, Error> {
        if let Some(key) = self.sources.get(folder) {
            return Ok(*key);
        }
        let mut key = KeyBuilder::new("source/v2");
        key.field("path", bytes(folder));
        for file in source::FILES {
            let path = folder.join(file);
            if path.is_file() {
                let content = match file {
                    source::PROJECT | source::JULIA_PROJECT => project_file::key(&path)?,
                    _ => self.file(&path)?,
                };
                key.field("file", file).key("content", &content);
            }
        }
        let mains = source::mains(folder);
        if source::main(folder).is_none() {
            // Loaded in a way of its own.
            key.key("tree", &self.code(folder)?.key);
        }
        for name in source::FOLDERS {
            self.source_folder(&mut key, folder, name)?;
        }
        let mut dynamic = Vec::new();
        for main in &mains {
            let includes = include_closure(main)?;
            for file in &includes.files {
                if !source::is_read(folder, file) {
                    key.field("path", bytes(file));
                    key.key("outside", &self.file(file)?);
                    self.included.push(file.clone());
                }
            }
            self.other_dependencies(&mut key, &includes, |path| source::is_read(folder, path))?;
            dynamic.extend(includes.dynamic);
        }
        let mut key = key.finish();
        if !dynamic.is_empty() {
            let variables = variables(self.plan);
            let package = Unlisted::new(self.plan, folder, mains, &key, &variables);
            key = self.with_listed(package, key, &dynamic)?;
        }
        self.sources.insert(folder.to_path_buf(), key);
        Ok(key)
    }

    /// Adds the folders among `includes` that are not `read` otherwise. Files that are not there count when they come.
    fn other_dependencies(
        &mut self,
        key: &mut KeyBuilder,
        includes: &Includes,
        read: impl Fn(&Path) -> bool,
    ) -> Result<(), Error> {
        for folder in includes.folders.iter().filter(|folder| !read(folder)) {
            key.field("path", bytes(folder));
            key.key("names", &listed::content(folder, &self.ignore, &self.stop)?);
            self.included.push(folder.clone());
        }
        let missing = includes
            .missing
            .iter()
            .map(|site| PathBuf::from(&site.text));
        self.included.extend(missing.filter(|file| !read(file)));
        Ok(())
    }

    /// The key of `package`, of which `source` is what its text tells, with the files that its
    /// `dynamic` includes read.
    fn with_listed(
        &mut self,
        package: Unlisted,
        source: Key,
        dynamic: &[Site],
    ) -> Result<Key, Error> {
        let Some(listed) = package.find(self.plan, self.image) else {
            let outside = " where it lies outside of `src`, `ext` and `deps`,";
            let gaps = dynamic.iter().map(|site| unfollowed(site, outside));
            self.unlisted.push(package.with_gaps(gaps.collect()));
            return Ok(source);
        };
        let mut key = KeyBuilder::new("listed source/v1");
        key.key("source", &source);
        for file in &listed.files {
            if !source::is_read(&package.folder, file) {
                key.field("path", bytes(file));
                key.key("content", &listed::content(file, &self.ignore, &self.stop)?);
            }
        }
        self.known.push(package.knowing(&listed));
        self.listed = Some(listed);
        Ok(key.finish())
    }

    /// Adds what is in the folder `name` of a package, and in the folders elsewhere that its code is
    /// linked to.
    fn source_folder(
        &mut self,
        key: &mut KeyBuilder,
        package: &Path,
        name: &str,
    ) -> Result<(), Error> {
        let folder = package.join(name);
        if !folder.is_dir() {
            return Ok(());
        }
        let tree = self.code(&folder)?;
        key.field("folder", name).key("tree", &tree.key);
        let mut unread = tree.unfollowed;
        if matches!(name, "src" | "ext") {
            for link in std::mem::take(&mut unread) {
                let there = self.code(&link)?;
                key.key("linked", &there.key);
                unread.extend(there.unfollowed);
            }
        }
        self.gaps.extend(unread.iter().map(|link| {
            format!(
                "`{}` leads to another folder; a change there is not noticed unless it is named in \
                 `workload_deps`",
                link.display()
            )
        }));
        Ok(())
    }

    fn dependencies(&mut self) -> Result<Key, Error> {
        let mut key = KeyBuilder::new("workload_deps/v1");
        for path in &self.plan.workload_deps {
            if path.is_dir() {
                key.key("folder", &self.folder(path)?.key);
            } else {
                key.key("file", &self.file(path)?);
            }
        }
        Ok(key.finish())
    }

    fn workload(&mut self, workload: &Workload) -> Result<Key, Error> {
        self.workload_beside(workload, &[])
    }

    /// As [`Reader::workload`], without the source of packages in the folders `known`.
    pub(crate) fn workload_beside(
        &mut self,
        workload: &Workload,
        known: &[PathBuf],
    ) -> Result<Key, Error> {
        let (uuid, args, sources) = match workload {
            Workload::Script { path } => return self.script(path),
            Workload::TestSuite {
                uuid,
                args,
                sources,
                ..
            } => (uuid, args, sources),
        };
        let mut key = KeyBuilder::new("test_suite/v1");
        key.field("uuid", uuid);
        for arg in args {
            key.field("arg", arg);
        }
        for source in sources {
            if !known.contains(source) {
                key.key("source", &self.source(source)?);
            }
            self.source_folder(&mut key, source, "test")?;
        }
        Ok(key.finish())
    }

    /// Whether code is linked in, which decides what is traced and compiled, and by what.
    fn way(&mut self) -> Result<Key, Error> {
        let mut key = KeyBuilder::new("way/v1");
        let way = Way::of(self.plan);
        key.field("linked", way.is_linked().to_string());
        if way.is_linked() {
            // Whose code is linked in, and which caches the children load.
            key.field("cpu_target", &self.plan.cpu_target);
        }
        key.field("all", self.plan.compile_all.to_string());
        if let Some(interposer) = self.plan.interposer.as_ref().filter(|_| way.is_linked()) {
            key.key("interposer", &self.file(interposer)?);
        }
        Ok(key.finish())
    }

    /// A script with all that it includes.
    pub(crate) fn script(&mut self, script: &Path) -> Result<Key, Error> {
        let includes = include_closure(script)?;
        let mut key = KeyBuilder::new("script/v1");
        for file in &includes.files {
            // The path too: `@__DIR__` and error messages depend on it.
            key.field("path", bytes(file));
            key.key("content", &self.file(file)?);
        }
        for site in &includes.missing {
            key.field("missing", &site.text);
        }
        self.other_dependencies(&mut key, &includes, |_| false)?;
        self.included.extend(includes.files);
        let dynamic = includes.dynamic.iter();
        self.gaps.extend(dynamic.map(|site| unfollowed(site, "")));
        Ok(key.finish())
    }

    /// What all traces depend on: `common`, and what their processes can load.
    fn trace(&self, common: &[Key], loadable: &Key) -> KeyBuilder {
        let mut builder = KeyBuilder::new("trace/v2");
        for key in common {
            builder.key("common", key);
        }
        builder.key("loadable", loadable);
        if let Some(threads) = self.plan.workload_threads {
            builder.field("threads", threads.to_string());
        }
        builder
    }

    /// What a script's process loads in the end.
    fn loaded_last(&self, key: &mut KeyBuilder) {
        if self.plan.has_caches() {
            for package in self.plan.packages.iter().filter(|p| p.load) {
                key.field("loads", &package.uuid);
            }
        }
    }

    /// The trace of a process without a workload, which loads the image's `packages`.
    fn bare_trace(&self, common: &[Key], packages: &Key) -> Key {
        let mut key = self.trace(common, packages);
        key.field("project", bytes(&self.plan.project.dir));
        self.loaded_last(&mut key);
        key.finish()
    }

    /// The traces of the workloads, which can load all that `environment` has.
    fn traces(&mut self, common: &[Key], environment: &Key) -> Result<Vec<Key>, Error> {
        let tests = self.trace(common, environment);
        let mut script = tests.clone();
        self.loaded_last(&mut script);
        let workloads = self.plan.workloads.iter();
        workloads
            .map(|workload| {
                let mut key = match workload {
                    Workload::Script { .. } => script.clone(),
                    Workload::TestSuite { .. } => tests.clone(),
                };
                key.key("workload", &self.workload(workload)?);
                Ok(key.finish())
            })
            .collect()
    }
}

/// A sentence about an include that cannot be followed; `place` limits what is not noticed.
fn unfollowed(site: &Site, place: &str) -> String {
    format!(
        "{}:{}: `{}` names a file that only running it can tell; a change in that file is not \
         noticed{place} unless it is named in `workload_deps`",
        site.file.display(),
        site.line,
        site.text
    )
}

/// The arguments that the user gives to the compiler that links, whichever that is.
fn linker_arguments(plan: &BuildPlan, key: &mut KeyBuilder) {
    for word in plan.compiler.iter().flatten().skip(1) {
        key.field("linker argument", word);
    }
}

fn options(plan: &BuildPlan) -> Key {
    let mut key = KeyBuilder::new("options/v1");
    linker_arguments(plan, &mut key);
    key.field("cpu_target", &plan.cpu_target);
    key.field("cpu", plan.bound_to_cpu().unwrap_or_default());
    for arg in &plan.build_args {
        key.field("arg", arg);
    }
    key.field("name", plan.image_name());
    key.field("compress", plan.compress.to_string());
    key.field("import_into_main", plan.import_into_main.to_string());
    key.field("preferences", plan.preferences_that_count());
    key.field("base", plan.base_kind());
    key.field("guard", plan.guard.to_string());
    key.field("library", plan.library.is_some().to_string());
    if let Some(app) = &plan.app {
        key.field("app", &app.package.uuid);
        for function in &app.functions {
            key.field("function", function);
        }
    }
    // The image's own stamp tells of it.
    key.field("all_packages", plan.all_packages.to_string());
    // Decides which statements are left out.
    if let Some(limit) = plan.statement_timeout {
        key.field("timeout", limit.to_string());
    }
    for package in &plan.packages {
        key.field("load", package.load.to_string());
        key.field("requested", package.requested.to_string());
    }
    key.finish()
}

/// The runtime libraries, and those that compile: one that is not linked against, but lies beside them
/// under a name of the same form (Julia >= 1.8), and LLVM.
pub(crate) fn libraries(plan: &BuildPlan) -> Vec<PathBuf> {
    let linked = &plan.julia.libraries;
    let compilers = linked.iter().filter_map(|library| {
        let name = file_name(library);
        let codegen = name.replace("libjulia-internal", "libjulia-codegen");
        let codegen = (codegen != name).then(|| library.with_file_name(codegen))?;
        codegen.is_file().then_some(codegen)
    });
    let llvm = plan.julia.llvm.iter().cloned();
    linked
        .iter()
        .cloned()
        .chain(compilers)
        .chain(llvm)
        .collect()
}

/// The files of many megabytes that [`read`] reads.
fn large_files(plan: &BuildPlan) -> Vec<PathBuf> {
    let image = match &plan.base {
        Base::Existing { path } => path,
        Base::Fresh { .. } => &plan.julia.default_sysimage,
    };
    let mut files = libraries(plan);
    files.push(image.clone());
    files
}

fn hash_at_once(files: Vec<PathBuf>, stop: &Stop) -> Result<HashMap<PathBuf, Key>, Error> {
    std::thread::scope(|scope| {
        let started: Vec<_> = files
            .iter()
            .map(|file| {
                let thread = std::thread::Builder::new();
                (
                    file,
                    thread.spawn_scoped(scope, || hash_file_until(file, stop)),
                )
            })
            .collect();
        let hashed = started.into_iter().map(|(file, started)| {
            let joined = started.ok().map(std::thread::ScopedJoinHandle::join);
            let key = match joined {
                Some(Ok(key)) => key,
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                // A thread that the system refuses.
                None => hash_file_until(file, stop),
            };
            Ok((real(file), key?))
        });
        hashed.collect()
    })
}

/// What lies in the folders of packages and is made from them: images, and what builds leave beside
/// them, the cache, and depots.
fn ignored(plan: &BuildPlan, stop: &Stop) -> Ignore {
    let image = &plan.sysimage_path;
    let mut known = vec![
        image.clone(),
        beside::stamp(image),
        beside::refresh_folder(image),
    ];
    known.extend(beside::logs(plan.logs_beside()));
    known.extend(plan.log.clone());
    known.extend(plan.cache.iter().map(|cache| cache.dir.clone()));
    known.extend(depots::paths(plan));
    let mut made = known.clone();
    let packages = plan.packages.iter().filter_map(|p| p.path.as_ref());
    let folders = packages
        .chain(&plan.project.sources)
        .chain(&plan.workload_deps);
    for folder in folders.collect::<BTreeSet<_>>() {
        made::below(folder, &known, stop, &mut made);
    }
    // `Pkg.build` writes it anew each time.
    let logs = plan
        .project
        .sources
        .iter()
        .map(|folder| folder.join("deps/build.log"));
    made.extend(logs);
    made.into_iter().fold(Ignore::default(), Ignore::path)
}

pub(crate) fn folders_in(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}
