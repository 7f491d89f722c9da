// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IVault} from "../IVault.sol";
import {Market} from "./Market.sol";
import {Mute, YesMan} from "./Tokens.sol";
import {Row} from "./Signing.sol";
import {VM, bound, equal, isTrue} from "./Vm.sol";

/// @dev "Attacks and answers" of the payments reference, as far as a contract can see them; one test a
/// row, named after it, each with the worst loss asserted. Front-run deposits are in Deposits.t.sol and
/// awkward tokens in Vault.t.sol.
contract AttacksTest is Market {
    /// @dev The payer promises all it has to two payees: the second lane is not to be had. Loss: none.
    function test_sameFundsPromisedTwice() public {
        lane(id, 1, 100_000);
        IVault.Reservation[] memory rows = new IVault.Reservation[](1);
        rows[0] = IVault.Reservation(STRANGER, 1, 1);
        VM.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, 1, 0));
        vault.reserve(id, rows);
        VM.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, 1, 0));
        vault.withdraw(id, 1, address(this));
    }

    /// @dev The trap: once a key's address bears code, OpenZeppelin's SignatureChecker asks that code. It then
    /// voids every voucher the key has signed, or takes anybody's for the key's. Ours is paid all the same, and
    /// nobody else's is. Loss: none.
    function test_eip7702CodeOnTheVoucherKey() public {
        bytes32 laneId = lane(id, 1, 100);
        address key = VM.addr(KEY);
        Row memory good = plain(KEY, address(vault), laneId, 10);
        Row memory forged = plain(0xBAD, address(vault), laneId, 20);
        bytes32 goodDigest = digestOf(laneId, 10);
        bytes32 forgedDigest = digestOf(laneId, 20);
        isTrue(SignatureChecker.isValidSignatureNow(key, goodDigest, good.signature), "without code both agree");

        // The payer delegates to code that knows no ERC-1271: a checker would void what it owes.
        VM.etch(key, address(new Mute()).code);
        isTrue(!SignatureChecker.isValidSignatureNow(key, goodDigest, good.signature), "the checker voids it");
        equal(claimRows(one(good)), 10, "voided");

        // It delegates to code that says yes to everything: a checker would let anybody drain the lane.
        VM.etch(key, address(new YesMan()).code);
        isTrue(SignatureChecker.isValidSignatureNow(key, forgedDigest, forged.signature), "the checker is fooled");
        equal(claimRows(one(forged)), 0, "forged");

        // The same with the designator itself, as EIP-7702 writes it.
        VM.etch(key, abi.encodePacked(hex"ef0100", address(new YesMan())));
        equal(claimRows(one(forged)), 0, "forged");
        equal(claimRows(one(plain(KEY, address(vault), laneId, 30))), 20, "voided");
    }

    /// @dev The same trap under arbiters and payees.
    function test_eip7702CodeOnArbiterAndPayee() public {
        bytes32 laneId = lane(id, 1, 100);
        address arbiter = VM.addr(ARBITER_KEY);
        VM.etch(arbiter, address(new YesMan()).code);
        VM.etch(payee, address(new YesMan()).code);
        IVault.EscrowVoucher memory voucher =
            IVault.EscrowVoucher(laneId, 60, 60, arbiter, 1_000_010, 1_000_020, bytes32("ref"));
        bytes memory forged = ruling(0xBAD, address(vault), voucher, 0);
        bytes memory good = ruling(ARBITER_KEY, address(vault), voucher, 40);
        bytes memory release = releaseOf(0xBAD, address(vault), laneId, 0);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.rule(voucher, 0, forged);
        vault.rule(voucher, 40, good);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.release(laneId, 0, release);
        equal(claimRows(one(escrow(KEY, address(vault), voucher))), 40, "paid");
    }

    /// @dev A fork replays everything but what the chain id is in. Loss on the fork: none.
    function test_forkAndCrossChainReplay() public {
        bytes32 laneId = lane(id, 1, 100);
        Row memory row = plain(KEY, address(vault), laneId, 60);
        bytes memory release = releaseOf(PAYEE_KEY, address(vault), laneId, 0);
        uint256 home = block.chainid;
        VM.chainId(999);
        equal(claimRows(one(row)), 0, "fork");
        VM.expectRevert(IVault.BadSignature.selector);
        vault.release(laneId, 0, release);
        isTrue(vault.vaultIdOf(terms(address(dollar))) != id, "another vault there");
        VM.chainId(home);
        equal(claimRows(one(row)), 60, "home");
    }

    /// @dev Who claims late, or sits on the preimage, gets nothing, and the payer has its money back.
    function testFuzz_payeeClaimsLateOrWithholdsThePreimage(uint256 late) public {
        bytes32 laneId = lane(id, 1, 100);
        Row memory row = locked(KEY, address(vault), laneId, 50, 50, "preimage", 1_000_100);
        vault.exit(laneId);
        VM.warp(1_000_100 + bound(late, 0, 3_500));
        equal(claimRows(one(row)), 0, "late");
        VM.warp(1_000_000 + 1 hours);
        vault.finalize(laneId);
        equal(vault.vaultOf(id).free, 100_000, "loss of the payer: none");
    }

    /// @dev The payer exits while the provider is offline: any watchtower claims within the delay, without
    /// keys. Loss: none.
    function testFuzz_payerExitsWhileTheProviderIsOffline(uint256 when) public {
        bytes32 laneId = lane(id, 1, 100);
        vault.exit(laneId);
        VM.warp(1_000_000 + bound(when, 0, 1 hours - 1));
        VM.expectRevert(abi.encodeWithSelector(IVault.NotYet.selector, 1_000_000 + 1 hours));
        vault.finalize(laneId);
        Row memory row = plain(KEY, address(vault), laneId, 60);
        VM.startPrank(STRANGER);
        claimRows(one(row));
        VM.stopPrank();
        equal(dollar.balanceOf(payee), 60, "payee");
        equal(dollar.balanceOf(STRANGER), 0, "the watchtower");
    }

    /// @dev A stolen voucher key signs all it likes: it takes what is reserved, to the payees it is reserved
    /// for, and nothing that is free. Loss ≤ what is reserved.
    function test_stolenVoucherKey() public {
        bytes32 laneId = lane(id, 1, 100);
        VM.startPrank(STRANGER);
        claimRows(one(plain(KEY, address(vault), laneId, type(uint128).max)));
        claimRows(one(plain(KEY, address(vault), laneId, 100)));
        claimRows(one(plain(KEY, address(vault), vault.laneIdOf(id, STRANGER, 1), 100)));
        IVault.Reservation[] memory rows = new IVault.Reservation[](1);
        rows[0] = IVault.Reservation(STRANGER, 1, 100);
        bytes memory order = orderOf(KEY, address(vault), id, rows, 2_000_000);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.reserveBySignature(id, rows, 2_000_000, order);
        VM.stopPrank();
        equal(vault.vaultOf(id).free, 99_900, "free");
        equal(dollar.balanceOf(payee), 100, "reserved");
        equal(dollar.balanceOf(STRANGER), 0, "the thief");
    }

    /// @dev An arbiter that lies costs one step, whatever it rules; what came before it on the lane is paid.
    function testFuzz_lyingArbiterCostsOneStep(uint128 given) public {
        IVault.EscrowVoucher memory voucher = IVault.EscrowVoucher(
            lane(id, 1, 100), 60, 15, VM.addr(ARBITER_KEY), 1_000_010, 1_000_020, bytes32("ref")
        );
        given = uint128(bound(given, 0, 15));
        vault.rule(voucher, given, ruling(ARBITER_KEY, address(vault), voucher, given));
        uint256 paid = claimRows(one(escrow(KEY, address(vault), voucher)));
        isTrue(paid >= 45 && paid <= 60, "loss of either side is at most the step's 15");
    }

    function digestOf(bytes32 laneId, uint128 cumulative) private view returns (bytes32) {
        bytes32 struct_ = keccak256(plainStruct(laneId, cumulative, bytes32(uint256(cumulative))));
        return keccak256(abi.encodePacked(hex"1901", domain(address(vault)), struct_));
    }
}
