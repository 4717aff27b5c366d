use std::net::UdpSocket;

use aftercall_media::{Happened, NoPort, PortRange, Refused};

use crate::peer::{LOOPBACK, Peer, Stage, agreed, config, fresh_ports};

fn lowest(range: PortRange) -> u16 {
    range.to_string().split('-').next().unwrap().parse().unwrap()
}

#[test]
fn every_even_port_is_reserved_once_then_there_is_none_and_a_dropped_one_comes_back() {
    let range = fresh_ports(3);
    let low = lowest(range);
    let stage = Stage::with(config(range), 10);
    let ports: Vec<_> = (0..3).map(|_| stage.engine.reserve_port().unwrap()).collect();
    let numbers: Vec<_> = ports.iter().map(aftercall_media::Port::number).collect();
    assert_eq!(numbers, [low, low + 2, low + 4]);
    assert_eq!(stage.engine.reserve_port().unwrap_err(), NoPort(range));
    drop(ports);
    assert_eq!(stage.engine.load().ports_free, 3);
    assert_eq!(stage.engine.reserve_port().unwrap().number(), low);
}

#[test]
fn a_port_that_another_program_holds_is_skipped() {
    let range = fresh_ports(2);
    let low = lowest(range);
    let foreign = UdpSocket::bind((LOOPBACK, low)).unwrap();
    let stage = Stage::with(config(range), 10);
    let port = stage.engine.reserve_port().unwrap();
    assert_eq!(port.number(), low + 2);
    assert_eq!(stage.engine.reserve_port().unwrap_err(), NoPort(range));
    drop(foreign);
    assert_eq!(stage.engine.reserve_port().unwrap().number(), low);
}

#[test]
fn a_closed_leg_frees_its_port_before_it_says_so() {
    let stage = Stage::with(config(fresh_ports(1)), 10);
    for _ in 0..3 {
        let leg =
            stage.engine.open(stage.engine.reserve_port().unwrap(), agreed(Peer::new().address())).unwrap();
        assert!(stage.engine.reserve_port().is_err());
        leg.close();
        assert!(matches!(stage.next(), Happened::Closed { .. }));
    }
    assert_eq!(stage.engine.load().ports_free, 1);
}

#[test]
fn an_address_that_the_socket_cannot_reach_is_refused_and_the_port_given_back() {
    let stage = Stage::with(config(fresh_ports(1)), 10);
    let far = "[2001:db8::1]:4000".parse().unwrap();
    let port = stage.engine.reserve_port().unwrap();
    assert_eq!(stage.engine.open(port, agreed(far)).unwrap_err(), Refused::WrongFamily);
    let leg = stage.engine.open(stage.engine.reserve_port().unwrap(), agreed(Peer::new().address())).unwrap();
    assert_eq!(leg.update(agreed(far)), Err(Refused::WrongFamily));
}
