//! `nss/system/build.sh`, which finds the system's NSS, on machines that are made up: what it lays out, and the one line
//! that it says where something is missing. Needs no NSS.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "tests of a script; a failure is a panic"
)]

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// What the script calls besides what it looks for.
const TOOLS: [&str; 5] = ["dirname", "grep", "ln", "mkdir", "rm"];
/// What nss-gk-api links.
const LIBRARIES: [&str; 6] = ["nssutil3", "nss3", "ssl3", "plds4", "plc4", "nspr4"];

/// Where a distribution keeps NSS.
struct Layout {
    nss: &'static str,
    nspr: &'static str,
    libraries: &'static str,
    clang: &'static str,
    mozpkix: bool,
}

const DEBIAN: Layout = Layout {
    nss: "usr/include/nss",
    nspr: "usr/include/nspr",
    libraries: "usr/lib/x86_64-linux-gnu",
    clang: "usr/lib/llvm-14/lib/libclang-14.so.1",
    mozpkix: false,
};

const FEDORA: Layout = Layout {
    nss: "usr/include/nss3",
    nspr: "usr/include/nspr4",
    libraries: "usr/lib64",
    clang: "usr/lib64/libclang.so.18.1",
    mozpkix: true,
};

/// A machine with a copy of the script.
struct Machine {
    dir: TempDir,
    /// What stands in for programs.
    functions: String,
}

impl Machine {
    /// One that has everything, in this layout.
    fn new(layout: &Layout) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for header in ["nss.h", "ssl.h", "sslexp.h", "cert.h"] {
            write(&at(layout.nss).join(header), header);
        }
        if layout.mozpkix {
            let header = at(layout.nss).join("mozpkix/pkixnss.h");
            write(&header, "the system's");
        }
        write(&at(layout.nspr).join("prio.h"), "prio.h");
        for library in LIBRARIES {
            let file = format!("lib{library}.so");
            write(&at(layout.libraries).join(file), library);
        }
        write(&at(layout.clang), "libclang");

        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("nss/system");
        let script = fs::read_to_string(source.join("build.sh")).unwrap();
        // The directories that it looks into, but those of this machine.
        let usr = dir.path().join("usr/lib");
        let moved = script.replace("/usr/lib", usr.to_str().unwrap());
        assert_ne!(moved, script);
        write(&at("nss/system/build.sh"), &moved);
        let header = "include/mozpkix/pkixnss.h";
        let ours = fs::read_to_string(source.join(header)).unwrap();
        write(&at("nss/system").join(header), &ours);

        fs::create_dir(at("bin")).unwrap();
        for tool in TOOLS {
            symlink(program(tool), at("bin").join(tool)).unwrap();
        }
        let root = format!("ROOT='{}'\n", dir.path().display());
        let functions = root + &pkg_config(dir.path(), layout) + "ldconfig() { :; }\n";
        Self { dir, functions }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Replaces the way in which a program answers.
    fn with(mut self, function: &str) -> Self {
        self.functions += function;
        self.functions.push('\n');
        self
    }

    fn without(self, path: &str) -> Self {
        fs::remove_file(self.at(path)).unwrap();
        self
    }

    fn and(self, dir: &str, file: &str) -> Self {
        write(&self.at(dir).join(file), file);
        self
    }

    /// Runs the script as nss-gk-api does.
    fn run(&self) -> Output {
        let functions = self.at("functions");
        write(&functions, &self.functions);
        Command::new(program("bash"))
            .args(["./build.sh", "-Ddisable_tests=1", "-o"])
            .current_dir(self.at("nss/system"))
            .env("PATH", self.at("bin"))
            .env("BASH_ENV", functions)
            .env_remove("LIBCLANG_PATH")
            .env_remove("LLVM_CONFIG_PATH")
            .output()
            .unwrap()
    }

    /// What the script laid out at `path`, as nss-gk-api's build script reads it.
    fn laid_out(&self, path: &str) -> String {
        let file = self.at("nss/dist").join(path);
        fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
    }

    #[track_caller]
    fn works(&self) {
        let output = self.run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{said}");
        let target = self.laid_out("latest");
        let target = target.trim();
        for header in ["nss.h", "ssl.h", "sslexp.h", "cert.h"] {
            assert_eq!(self.laid_out(&format!("public/nss/{header}")), header);
        }
        let prio = self.laid_out(&format!("{target}/include/nspr/prio.h"));
        assert_eq!(prio, "prio.h");
        for library in LIBRARIES {
            let file = format!("{target}/lib/lib{library}.so");
            assert_eq!(self.laid_out(&file), library);
        }
    }

    /// One line says what is missing and how to install it.
    #[track_caller]
    fn refuses(&self, what: &str) {
        let output = self.run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(output.stdout.is_empty());
        assert_eq!(said.lines().count(), 1, "{said}");
        for part in [
            "error: the feature `nss` needs ",
            what,
            "apt-get install libnss3-dev libclang-dev pkg-config",
            "dnf install nss-devel clang-devel pkgconf",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!self.at("nss/dist").exists());
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Where this machine has a program.
fn program(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap();
    let found = env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.exists());
    found.unwrap_or_else(|| panic!("there is no {name}"))
}

/// A function of the shell in place of pkg-config. It knows NSS 3.87.
fn pkg_config(root: &Path, layout: &Layout) -> String {
    let root = root.display();
    let Layout {
        nss,
        nspr,
        libraries,
        ..
    } = layout;
    format!(
        "pkg-config() {{
            case \"$*\" in
                '--exists nss nspr' | '--atleast-version=3.87 nss') ;;
                '--variable=includedir nss') echo '{root}/{nss}' ;;
                '--variable=includedir nspr') echo '{root}/{nspr}' ;;
                '--variable=libdir '*) echo '{root}/{libraries}' ;;
                *) echo \"pkg-config $*\" >&2; return 1 ;;
            esac
        }}\n"
    )
}

#[test]
fn debian() {
    let machine = Machine::new(&DEBIAN);
    machine.works();
    let ours = machine.laid_out("public/nss/mozpkix/pkixnss.h");
    assert!(ours.contains("MOZILLA_PKIX_ERROR_KEY_PINNING_FAILURE"));
    // Once more, over what is there.
    machine.works();
}

#[test]
fn fedora() {
    let machine = Machine::new(&FEDORA);
    machine.works();
    let header = machine.laid_out("public/nss/mozpkix/pkixnss.h");
    assert_eq!(header, "the system's");

    let machine = Machine::new(&Layout {
        mozpkix: false,
        ..FEDORA
    });
    machine.works();
    let ours = machine.laid_out("public/nss/mozpkix/pkixnss.h");
    assert!(ours.contains("MOZILLA_PKIX_ERROR_KEY_PINNING_FAILURE"));
}

#[test]
fn missing_pkg_config() {
    let machine = Machine::new(&DEBIAN).with("unset -f pkg-config");
    machine.refuses("needs pkg-config");
}

#[test]
fn missing_headers() {
    let machine = Machine::new(&DEBIAN).with("pkg-config() { return 1; }");
    machine.refuses("the headers of NSS and NSPR");
}

#[test]
fn missing_experimental_header() {
    let machine = Machine::new(&FEDORA).without("usr/include/nss3/sslexp.h");
    machine.refuses("sslexp.h");
}

#[test]
fn too_old() {
    let machine = Machine::new(&DEBIAN).with(
        "pkg-config() {
            case \"$*\" in
                --exists*) ;;
                --modversion*) echo 3.61 ;;
                *) return 1 ;;
            esac
        }",
    );
    machine.refuses("NSS 3.87 or newer, and this is 3.61;");
}

#[test]
fn missing_libclang() {
    for layout in [DEBIAN, FEDORA] {
        let machine = Machine::new(&layout).without(layout.clang);
        machine.refuses("libclang");
    }
}

#[test]
fn libclang_elsewhere() {
    // A list as long as a large machine's, with libclang at its head.
    let list = "ldconfig() { echo 'libclang-14.so.1 (libc6,x86-64)'; for ((n = 0; n < 20000; n++)); do \
        echo \"lib$n.so (libc6,x86-64)\"; done; }";
    Machine::new(&DEBIAN)
        .without(DEBIAN.clang)
        .with(list)
        .works();
    for file in ["libclang.so", "libclang.so.18.1", "libclang-14.so.1"] {
        let dir = "opt/a place/lib";
        let machine = || Machine::new(&DEBIAN).without(DEBIAN.clang).and(dir, file);
        for variable in [
            "$ROOT/opt/a place/lib",
            &format!("$ROOT/opt/a place/lib/{file}"),
        ] {
            machine()
                .with(&format!("LIBCLANG_PATH=\"{variable}\""))
                .works();
        }
        let function = "llvm-config() { [[ $* == --libdir ]] && echo \"$ROOT/opt/a place/lib\"; }";
        machine().with(function).works();
        machine()
            .with(&function.replace("llvm-config", "llvm-config-18"))
            .with("LLVM_CONFIG_PATH=llvm-config-18")
            .works();
    }
}

/// What looks like libclang, and is not.
#[test]
fn no_libclang_elsewhere() {
    let dir = "opt/llvm";
    for file in ["libclang-cpp.so.14", "libclang.a", "libLLVM-14.so"] {
        for function in [
            "LIBCLANG_PATH=$ROOT/opt/llvm",
            &format!("LIBCLANG_PATH=$ROOT/opt/llvm/{file}"),
            "llvm-config() { echo \"$ROOT/opt/llvm\"; }",
            &format!("ldconfig() {{ echo '{file} (libc6,x86-64)'; }}"),
        ] {
            let machine = Machine::new(&DEBIAN).without(DEBIAN.clang).and(dir, file);
            machine.with(function).refuses("libclang");
        }
    }
    for function in [
        "LIBCLANG_PATH=/opt/no-such-llvm",
        "LIBCLANG_PATH=",
        "llvm-config() { :; }",
        "llvm-config() { echo /opt/no-such-llvm; }",
        "llvm-config() { return 1; }",
    ] {
        let machine = Machine::new(&DEBIAN).without(DEBIAN.clang);
        machine.with(function).refuses("libclang");
    }
    // Where LIBCLANG_PATH is wrong, clang-sys does not look elsewhere.
    let machine = Machine::new(&DEBIAN).with("LIBCLANG_PATH=/opt/no-such-llvm");
    machine.refuses(
        "libclang, to read the headers of NSS, and LIBCLANG_PATH (/opt/no-such-llvm) names none;",
    );
}

/// A host's own `NSS_DIR` wins over cargo's configuration, which would have to say so if it was not to.
#[test]
fn the_environment_wins() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cargo/config.toml");
    let config = fs::read_to_string(file).unwrap();
    let set = config.lines().find(|line| line.starts_with("NSS_DIR"));
    let set = set.unwrap();
    assert!(set.contains("value = \"neqo-crypto/nss/system\", relative = true"));
    assert!(!set.contains("force"), "{set}");
}
