//! The hosts files of a cluster, each written once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;

use super::layout::Layout;
use crate::environment::EnvironmentError;
use crate::process::{HostsFile, HostsWay};

/// Writes the file of each process into `folder`; by process.
pub(super) fn write(
    layout: &Layout,
    folder: &Path,
    way: HostsWay,
) -> Result<BTreeMap<String, HostsFile>, EnvironmentError> {
    let machine = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let members = layout.members.iter().map(|member| &member.name);
    let mut files = BTreeMap::new();
    for process in members.chain(layout.clients.iter().map(|client| &client.name)) {
        let names = layout.names_for(process).expect("it is one of the layout's");
        let path = folder.join(process);
        std::fs::write(&path, text(&names, layout, &machine)).map_err(EnvironmentError::file("cannot write", &path))?;
        files.insert(process.clone(), HostsFile::new(path, way));
    }
    Ok(files)
}

/// The cluster's names, then what the machine's own file says of others: a service may need those.
fn text(names: &[(Ipv4Addr, &str)], layout: &Layout, machine: &str) -> String {
    let mut text = String::new();
    for (address, name) in names {
        let _ = writeln!(text, "{address} {name}");
    }
    // Kafka asks nothing but this file, and a machine may have none.
    text.push_str("127.0.0.1 localhost\n");
    let is_ours = |word: &str| layout.members.iter().any(|member| member.name == word);
    for line in machine.lines().filter(|line| !line.split_whitespace().any(is_ours)) {
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::layout::Ports;
    use super::super::spec::ClusterSpec;
    use super::*;

    #[test]
    fn the_machine_s_own_names_stay_but_never_lead_past_a_link() {
        let ports = Ports { mongodb: 1, client: 2, replication: 3, quorum: 4, direct: 5 };
        let layout = Layout::new(&ClusterSpec::default(), ports);
        let machine = "10.0.0.7 database.example\n10.0.0.8 mongodb-2 other\n";
        let names = layout.names_for("mongodb-1").expect("it is there");
        let text = text(&names, &layout, machine);
        let expected = "127.0.1.1 mongodb-1\n127.1.1.2 mongodb-2\n127.1.1.3 mongodb-3\n127.0.0.1 localhost\n\
                        10.0.0.7 database.example\n";
        assert_eq!(text, expected);
    }
}
