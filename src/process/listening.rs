//! Whether a process itself listens on a port: a connection alone would not tell whose server it is that answers.

use std::collections::{BTreeMap, BTreeSet};

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process};

/// Whether the group led by `pid` listens on every one of these TCP ports, whoever else listens on them at other
/// addresses.
pub fn is_listening(pid: u32, ports: &[u16]) -> bool {
    let Ok(leader) = Process::new(pid.cast_signed()) else { return false };
    let sockets = sockets(&leader, ports);
    let mut missing: BTreeSet<u16> = ports.iter().copied().collect();
    remove_held_by(&leader, &sockets, &mut missing);
    if missing.is_empty() {
        return true;
    }
    if missing.iter().any(|port| !sockets.values().any(|listened| listened == port)) {
        return false;
    }
    // The leader may be a script whose child serves.
    let Ok(processes) = procfs::process::all_processes() else { return false };
    for process in processes.flatten() {
        if process.stat().is_ok_and(|stat| stat.pgrp == leader.pid) {
            remove_held_by(&process, &sockets, &mut missing);
        }
    }
    missing.is_empty()
}

/// The sockets that listen on the ports, by inode; whoever they belong to.
fn sockets(process: &Process, ports: &[u16]) -> BTreeMap<u64, u16> {
    let entries = process.tcp().into_iter().flatten().chain(process.tcp6().into_iter().flatten());
    let is_one = |entry: &TcpNetEntry| entry.state == TcpState::Listen && ports.contains(&entry.local_address.port());
    entries.filter(is_one).map(|entry| (entry.inode, entry.local_address.port())).collect()
}

fn remove_held_by(process: &Process, sockets: &BTreeMap<u64, u16>, missing: &mut BTreeSet<u16>) {
    for descriptor in process.fd().into_iter().flatten().flatten() {
        if let FDTarget::Socket(inode) = descriptor.target
            && let Some(port) = sockets.get(&inode)
        {
            missing.remove(port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_process_that_holds_the_socket_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        assert!(is_listening(std::process::id(), &[port]));
        assert!(!is_listening(1, &[port]), "another process does not hold it");
        drop(listener);
        assert!(!is_listening(std::process::id(), &[port]));
    }

    #[test]
    fn others_on_the_same_port_of_other_addresses_do_not_hide_it() {
        let first = std::net::TcpListener::bind("127.0.0.2:0").expect("a free port");
        let port = first.local_addr().expect("it is bound").port();
        let _second = std::net::TcpListener::bind(("127.0.0.3", port)).expect("free on this address");
        let sockets = sockets(&Process::myself().expect("procfs is there"), &[port]);
        assert_eq!(sockets.values().collect::<Vec<_>>(), [&port; 2], "each counts");
    }
}
