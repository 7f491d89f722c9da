// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../IVault.sol";
import {Market} from "./Market.sol";
import {Row} from "./Signing.sol";
import {VM, isTrue} from "./Vm.sol";

/// @dev What claims cost, each call a transaction of its own with cold storage and its call data paid
/// (isolate): snapshots/Claims.json, which CI holds to these figures.
/// forge-config: default.isolate = true
contract GasTest is Market {
    uint256 private constant MARGINAL_MAX = 18_000;
    bytes32 private constant LOCK = "preimage";

    enum Kind {
        Plain,
        Locked,
        Escrow
    }

    function rows(Kind kind, uint64 first, uint64 count) private returns (Row[] memory out) {
        out = new Row[](count);
        for (uint64 i = 0; i < count; ++i) {
            bytes32 laneId = lane(id, first + i, 300);
            if (kind == Kind.Plain) {
                out[i] = plain(KEY, address(vault), laneId, 200);
                // A ref is a hash, and its bytes are paid for.
                out[i].ref = keccak256(abi.encode(laneId));
                out[i].signature = sign(KEY, address(vault), plainStruct(laneId, 200, out[i].ref));
            } else if (kind == Kind.Locked) {
                out[i] = locked(KEY, address(vault), laneId, 200, 100, LOCK, 2_000_000);
            } else {
                out[i] = escrow(
                    KEY,
                    address(vault),
                    IVault.EscrowVoucher(laneId, 200, 100, VM.addr(ARBITER_KEY), 1_000_000, 2_000_000, bytes32("ref"))
                );
            }
            // Of a lane that is in use: its first claim is not the dear one.
            if (kind == Kind.Plain) claimRows(one(plain(KEY, address(vault), laneId, 100)));
        }
    }

    function measure(Kind kind, string memory name) private {
        dollar.mint(payee, 1);
        uint64[4] memory counts = [uint64(1), 10, 100, 200];
        string[4] memory labels = ["1", "10", "100", "200"];
        uint256[4] memory gas;
        uint64 first;
        for (uint256 i = 0; i < 4; ++i) {
            Row[] memory batch = rows(kind, first, counts[i]);
            first += counts[i];
            claimRows(batch);
            gas[i] = VM.snapshotGasLastCall("Claims", string.concat(name, " ", labels[i]));
        }
        if (kind == Kind.Plain) isTrue((gas[2] - gas[0]) / 99 <= MARGINAL_MAX, "a plain claim more in a batch of 100");
    }

    function test_plain() public {
        measure(Kind.Plain, "plain");
    }

    function test_locked() public {
        measure(Kind.Locked, "locked");
    }

    function test_escrow() public {
        measure(Kind.Escrow, "escrow");
    }
}
