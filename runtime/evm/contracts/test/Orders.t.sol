// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../IVault.sol";
import {Market} from "./Market.sol";
import {VM, bound, equal} from "./Vm.sol";

/// @dev Reservations that an owner signs and anybody brings.
contract OrdersTest is Market {
    uint256 private constant OWNER_KEY = 0x0133;

    /// @dev A vault of a key that never sends a transaction.
    function light() private returns (bytes32) {
        IVault.Terms memory theirs = IVault.Terms(VM.addr(OWNER_KEY), VM.addr(KEY), address(dollar), 1 hours, 7);
        return vault.open(theirs, 10_000);
    }

    function rowsTo(uint128 first, uint128 second) private view returns (IVault.Reservation[] memory rows) {
        rows = new IVault.Reservation[](2);
        rows[0] = IVault.Reservation(payee, 1, first);
        rows[1] = IVault.Reservation(STRANGER, 2, second);
    }

    function testFuzz_orderedReservesNeverFallAndReplayIsNothing(uint128[3] calldata totals) public {
        bytes32 theirs = light();
        uint128 highest;
        for (uint256 i = 0; i < 3; ++i) {
            uint128 total = uint128(bound(totals[i], 1, 5_000));
            IVault.Reservation[] memory rows = rowsTo(total, 1);
            bytes memory signature = orderOf(OWNER_KEY, address(vault), theirs, rows, 2_000_000);
            VM.prank(STRANGER);
            vault.reserveBySignature(theirs, rows, 2_000_000, signature);
            vault.reserveBySignature(theirs, rows, 2_000_000, signature);
            if (total > highest) highest = total;
        }
        equal(vault.vaultOf(theirs).free, 10_000 - highest - 1, "free");
    }

    function testFuzz_noOtherKeyOrders(uint256 key) public {
        key = bound(key, 1, type(uint128).max);
        VM.assume(key != OWNER_KEY);
        bytes32 theirs = light();
        IVault.Reservation[] memory rows = rowsTo(5, 6);
        bytes memory signature = orderOf(key, address(vault), theirs, rows, 2_000_000);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.reserveBySignature(theirs, rows, 2_000_000, signature);
    }

    function testFuzz_anOrderFlippedAnywhereIsRefused(uint8 place, uint8 flip) public {
        VM.assume(flip != 0);
        bytes32 theirs = light();
        IVault.Reservation[] memory rows = rowsTo(5, 6);
        bytes memory signature = orderOf(OWNER_KEY, address(vault), theirs, rows, 2_000_000);
        signature[place % 65] ^= bytes1(flip);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.reserveBySignature(theirs, rows, 2_000_000, signature);
    }

    function test_anOrderServesItsVaultRowsAndTimeOnly() public {
        bytes32 theirs = light();
        IVault.Reservation[] memory rows = rowsTo(5, 6);
        bytes memory signature = orderOf(OWNER_KEY, address(vault), theirs, rows, 2_000_000);
        bytes32 second = vault.open(IVault.Terms(VM.addr(OWNER_KEY), VM.addr(KEY), address(dollar), 1 hours, 8), 100);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.reserveBySignature(second, rows, 2_000_000, signature);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.reserveBySignature(theirs, rowsTo(6, 5), 2_000_000, signature);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.reserveBySignature(theirs, rows, 2_000_001, signature);
        VM.warp(1_999_999);
        vault.reserveBySignature(theirs, rows, 2_000_000, signature);
        VM.warp(2_000_000);
        VM.expectRevert(abi.encodeWithSelector(IVault.Late.selector, uint48(2_000_000)));
        vault.reserveBySignature(theirs, rows, 2_000_000, signature);
    }

    function test_anOrderOpensNoClosedLane() public {
        bytes32 theirs = light();
        IVault.Reservation[] memory rows = rowsTo(5, 6);
        bytes memory signature = orderOf(OWNER_KEY, address(vault), theirs, rows, 2_000_000);
        vault.reserveBySignature(theirs, rows, 2_000_000, signature);
        bytes32 laneId = vault.laneIdOf(theirs, payee, 1);
        VM.prank(payee);
        vault.release(laneId, 0, "");
        VM.expectRevert(abi.encodeWithSelector(IVault.LaneIsClosed.selector, laneId));
        vault.reserveBySignature(theirs, rows, 2_000_000, signature);
    }
}
