//! Whether a process itself listens on a port: a connection alone would not tell whose server it is that answers.

use std::collections::BTreeSet;

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process};

/// Whether the group led by `pid` listens on every one of these TCP ports.
pub fn is_listening(pid: u32, ports: &[u16]) -> bool {
    let Ok(leader) = Process::new(pid.cast_signed()) else { return false };
    let inodes = inodes(&leader, ports);
    if inodes.len() < ports.len() {
        return false;
    }
    let mut missing: BTreeSet<u64> = inodes;
    remove_held_by(&leader, &mut missing);
    if missing.is_empty() {
        return true;
    }
    // The leader may be a script whose child serves.
    let Ok(processes) = procfs::process::all_processes() else { return false };
    for process in processes.flatten() {
        if process.stat().is_ok_and(|stat| stat.pgrp == leader.pid) {
            remove_held_by(&process, &mut missing);
        }
    }
    missing.is_empty()
}

/// The sockets that listen on the ports, one for each; whoever they belong to.
fn inodes(process: &Process, ports: &[u16]) -> BTreeSet<u64> {
    let entries: Vec<TcpNetEntry> =
        process.tcp().into_iter().flatten().chain(process.tcp6().into_iter().flatten()).collect();
    ports
        .iter()
        .filter_map(|port| {
            let is_it = |entry: &&TcpNetEntry| entry.state == TcpState::Listen && entry.local_address.port() == *port;
            entries.iter().find(is_it).map(|entry| entry.inode)
        })
        .collect()
}

fn remove_held_by(process: &Process, sockets: &mut BTreeSet<u64>) {
    for descriptor in process.fd().into_iter().flatten().flatten() {
        if let FDTarget::Socket(inode) = descriptor.target {
            sockets.remove(&inode);
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
}
